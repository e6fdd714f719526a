import { describe, expect, it } from '@jest/globals';
import type { Connector, SourceOrder } from '@rahat/connector-kit';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { takeSource } from './take-source.js';
import { runOptions } from './testing/run-parts.js';

const at = (host: string): PostgresqlConnection => ({
  host,
  port: 5432,
  user: 'backup',
  password: 'secret',
  maintenanceDatabase: 'postgres',
  tls: 'prefer',
});
const secrets = { source: at('primary'), standbys: [at('one'), at('two')], repositories: [] };

/** Takes the last standby, or refuses to take any. */
function connector(fit = true): { asked: SourceOrder[]; connector: Connector<PostgresqlConnection> } {
  const asked: SourceOrder[] = [];
  const chooseSource: Connector<PostgresqlConnection>['chooseSource'] = async (_primary, standbys, order) => {
    asked.push(order);
    if (!fit) throw new RahatError('replica_unfit', 'none');
    return { connection: standbys.at(-1)!, role: 'replica', lagSeconds: 1.25, passedOver: ['one:5432: it is 90 s behind'] };
  };
  return { asked, connector: { chooseSource } as unknown as Connector<PostgresqlConnection> };
}

const take = (kit: ReturnType<typeof connector>, from: SourceOrder['from'] | undefined, attempt = 1, lines: string[] = []) =>
  takeSource(kit.connector, { attempt, ...(from && { source: { from, lagSeconds: 60, identity: '7' } }) }, secrets, {
    ...runOptions('/nowhere'),
    onLog: (_level, message) => void lines.push(message),
  });

describe('the source of a run', () => {
  it('is the server itself where nothing else is asked for, without a look at anything', async () => {
    const kit = connector();
    for (const from of [undefined, 'primary'] as const) expect(await take(kit, from)).toEqual({ connection: secrets.source });
    expect(kit.asked).toEqual([]);
  });

  it('is what was chosen, and evidence and log say so without a secret', async () => {
    const lines: string[] = [];
    const kit = connector();
    const { connection, taken } = await take(kit, 'replica-only', 1, lines);
    expect(kit.asked).toEqual([{ from: 'replica-only', lagSeconds: 60, identity: '7' }]);
    expect(connection).toEqual(at('two'));
    expect(taken).toEqual({ role: 'replica', host: 'two', port: 5432, lagSeconds: 1.25, passedOver: ['one:5432: it is 90 s behind'] });
    expect(lines).toEqual(['Not read: one:5432: it is 90 s behind', 'Read from the standby two:5432, 1.3 s behind']);
  });

  it('is the primary from the third attempt on, where that is allowed', async () => {
    const kit = connector();
    expect((await take(kit, 'prefer-replica', 2)).taken?.role).toBe('replica');
    expect((await take(kit, 'prefer-replica', 3)).taken).toMatchObject({ role: 'primary', host: 'primary' });
    expect((await take(kit, 'replica-only', 3)).taken?.role).toBe('replica');
    await expect(take(connector(false), 'replica-only', 3)).rejects.toThrow(RahatError);
  });
});
