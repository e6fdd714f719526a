import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { startPostgresql } from '@rahat/test-servers';
import { endedChildrenSeconds, runMeasured, type Command, type Usage } from '../repository/measured-process.js';
import { folderBytes } from '../repository/sample-data.js';
import { recovered, type SampleCluster, type TableSums } from './cluster.js';
import type { PhysicalContestant, PhysicalContestantFactory } from './contestants.js';

/** A first backup, one after 2 % of the rows changed among the newest, one after 2 % changed anywhere, and its restore. */
export const BACKUP_STEPS = ['first', 'recent', 'scattered'] as const;
export type BackupStep = (typeof BACKUP_STEPS)[number];
export type PhysicalStep = BackupStep | 'restore';

interface Taken extends Usage {
  /** Of the server's processes, for this step. */
  serverCpuSeconds: number;
  /** What the repository grew by. */
  grownBytes: number;
}

export type PhysicalRound = Record<PhysicalStep, Taken>;

export interface PhysicalTurn {
  contestant: PhysicalContestant;
  round: PhysicalRound;
}

/** A server's process that served somebody tells what it used when it has ended. */
const PROCESS_END_MS = 300;

/** One turn of all contestants on the same states of the cluster, in new repositories. Every restore is started and compared. */
export async function playPhysicalRound(
  cluster: SampleCluster,
  factories: PhysicalContestantFactory[],
  log: (line: string) => void,
): Promise<PhysicalTurn[]> {
  const homes = path.join(cluster.scratch, 'homes');
  const turns: { contestant: PhysicalContestant; round: Partial<PhysicalRound> }[] = [];
  try {
    await cluster.reset();
    for (const [number, factory] of factories.entries()) {
      const home = path.join(homes, String(number));
      await mkdir(home, { recursive: true });
      const contestant = await factory(cluster, home);
      const create = await contestant.create();
      if (create) await runMeasured(create);
      turns.push({ contestant, round: {} });
    }
    for (const step of BACKUP_STEPS) {
      if (step !== 'first') await cluster.change(step);
      for (const { contestant, round } of turns) {
        await cluster.archiveWith(contestant.archiveCommand);
        round[step] = await measure(cluster, contestant, contestant.backUp(step === 'first' ? 'first' : 'next'));
        await cluster.archiveWith(undefined);
        log(describe(contestant.name, step, round[step]));
      }
    }
    const expected = await cluster.sums();
    for (const { contestant, round } of turns) {
      const folder = path.join(cluster.scratch, 'restored');
      await mkdir(folder, { mode: 0o700 });
      if (cluster.user) await chown(folder, cluster.user.uid, cluster.user.gid);
      round.restore = await measure(cluster, contestant, contestant.restore(folder));
      await assertRestored(cluster, folder, expected, contestant.name);
      log(describe(contestant.name, 'restore', round.restore));
    }
    return turns as PhysicalTurn[];
  } finally {
    await cluster.archiveWith(undefined);
    await rm(homes, { recursive: true, force: true });
  }
}

async function measure(cluster: SampleCluster, { repository }: PhysicalContestant, command: Command): Promise<Taken> {
  const before = { bytes: await folderBytes(repository), seconds: endedChildrenSeconds(cluster.server.pid) };
  const usage = await runMeasured(command);
  await sleep(PROCESS_END_MS);
  return {
    ...usage,
    serverCpuSeconds: endedChildrenSeconds(cluster.server.pid) - before.seconds,
    grownBytes: (await folderBytes(repository)) - before.bytes,
  };
}

/** A restore that holds other rows ends the measurement: nobody wants to know how fast it was. */
async function assertRestored(cluster: SampleCluster, folder: string, expected: TableSums, who: string): Promise<void> {
  await chmod(folder, 0o700);
  const { password, major } = cluster.server;
  await using copy = await startPostgresql({ major, restored: { folder, password }, settings: { archive_mode: 'off' } });
  await recovered(copy, performance.now());
  const found = await cluster.sums(copy);
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new RahatError(
      'restore_mismatch',
      `What ${who} restored holds other rows: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}.`,
    );
}

function describe(name: string, step: PhysicalStep, { seconds, cpuSeconds, serverCpuSeconds, peakMb, grownBytes }: Taken): string {
  const server = step === 'restore' ? '' : `, server's ${serverCpuSeconds.toFixed(1)} s`;
  const grown = step === 'restore' ? '' : `; ${(grownBytes / 1e6).toFixed(1)} MB stored`;
  return `  ${step}: ${name} ${seconds.toFixed(2)} s (cpu ${cpuSeconds.toFixed(1)} s${server}, ${peakMb.toFixed(0)} MB)${grown}`;
}
