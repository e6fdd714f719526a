import type pg from 'pg';
import type { Job } from '@rahat/connector-kit';
import { insertRows, removeRows, updateRows } from './change-rows.js';
import type { LiveForeignKey } from './foreign-keys.js';
import { goLate, refuseOrphans, refuseRekeyed, turnsToNewRows, type CountedChange } from './references.js';
import { silenceTriggers, wakeTriggers } from './triggers.js';

/**
 * Carries out what was found, tables in the order of their foreign keys. Rows go before others come, so that two never meet in a
 * unique index; unless rows that stay have to turn away first from the ones that go.
 */
export async function applyChanges(
  client: pg.Client,
  childrenFirst: readonly CountedChange[],
  foreignKeys: readonly LiveForeignKey[],
  job: Job,
): Promise<void> {
  const tables = childrenFirst.map(({ change }) => change.live);
  const late = await goLate(client, childrenFirst, foreignKeys);
  const remove = async (which: boolean): Promise<void> => {
    for (const counted of childrenFirst.filter(({ change }) => late.has(change.live.root) === which)) {
      tell(job, counted, 'remove');
      await refuseOrphans(client, counted, childrenFirst, foreignKeys);
      await removeRows(client, counted.change, counted.counts);
    }
  };
  await client.query('SET CONSTRAINTS ALL DEFERRED');
  await silenceTriggers(client, tables);
  await remove(false);
  for (const counted of childrenFirst.toReversed()) await bringRows(client, counted, foreignKeys, job);
  await remove(true);
  await wakeTriggers(client, tables);
}

async function bringRows(client: pg.Client, counted: CountedChange, foreignKeys: readonly LiveForeignKey[], job: Job): Promise<void> {
  const { change, counts } = counted;
  tell(job, counted, 'insert');
  await refuseRekeyed(client, counted, foreignKeys);
  const steps = [updateRows, insertRows];
  if (await turnsToNewRows(client, counted, foreignKeys)) steps.reverse();
  for (const step of steps) await step(client, change, counts);
}

function tell(job: Job, { change: { live } }: CountedChange, phase: string): void {
  job.signal.throwIfAborted();
  job.progress({ phase, object: `${live.schema}.${live.name}`, bytes: 0 });
}
