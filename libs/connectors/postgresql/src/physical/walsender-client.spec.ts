import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { connectionTo, failureOf, quietJob } from './test-parts.js';
import { WalsenderClient } from './walsender-client.js';

let server: PostgresqlServer;

beforeAll(async () => {
  server = await startPostgresql({ major: 15 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe('the replication client', () => {
  it('streams log, ends the stream when asked, and takes the next command', async () => {
    await using client = await WalsenderClient.connect(connectionTo(server), 'rhb-spec', quietJob.signal);
    const { position, timeline } = await client.identifySystem();
    const segment = `${position.split('/')[0]}/${((parseInt(position.split('/')[1] ?? '', 16) >>> 24) << 24).toString(16)}`;
    const kinds = new Set<string>();
    for await (const event of client.command(`START_REPLICATION PHYSICAL ${segment} TIMELINE ${timeline}`)) {
      if (event.type !== 'copyData' || event.continued) continue;
      if (kinds.size === 0) client.endCopy();
      kinds.add(String.fromCharCode(event.data[0] ?? 0));
    }
    expect([...kinds]).toContain('w');
    expect(await client.show('wal_segment_size')).toBe('16MB');
  });

  it('goes on after a command that the server refused', async () => {
    await using client = await WalsenderClient.connect(connectionTo(server), 'rhb-spec', quietJob.signal);
    expect(await failureOf(client.query('NO SUCH COMMAND'))).toMatchObject({ code: 'source_unsupported' });
    expect(await client.show('server_version')).toMatch(/^15\./);
  });
});
