import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PushedSegment } from '@rahat/connector-kit';
import { RahatError, type FollowEvidence, type PostgresqlConnection, type RunSecrets, type RunSpec } from '@rahat/contracts';
import type { Repository } from '@rahat/repository';
import { startPostgresql } from '@rahat/test-servers';
import { executeRun, type LogCommitted } from './index.js';
import { connectionTo, createGrantedRepository, runHead, runOptions } from './testing/run-parts.js';

let server: Awaited<ReturnType<typeof startPostgresql>>;
let folder: string;
let repository: Repository;
let secrets: RunSecrets;
let connection: PostgresqlConnection;
beforeAll(async () => {
  server = await startPostgresql({ major: 15, settings: { wal_level: 'replica', archive_mode: 'on', archive_command: '/bin/true' } });
  connection = connectionTo(server);
  folder = await mkdtemp(join(tmpdir(), 'rahat-pushed-'));
  const granted = await createGrantedRepository(folder);
  repository = granted.repository;
  secrets = granted.secrets('write-only', connection);
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

type Outcome = Parameters<PushedSegment['settle']>[0];

/** One run that takes these, and what it said to each. */
async function take(segments: { name: string; content: Buffer }[], stream: string, change: object = {}) {
  const outcomes: Outcome[] = [];
  async function* pushed(): AsyncGenerator<PushedSegment> {
    for (const { name, content } of segments)
      yield {
        name,
        sizeBytes: content.length,
        open: async () => ({
          histories: new Map(),
          body: (async function* () {
            yield content;
          })(),
        }),
        settle: (outcome) => void outcomes.push(outcome),
      };
  }
  return { outcomes, ...(await run(pushed(), stream, change)) };
}
async function run(pushedSegments: AsyncIterable<PushedSegment>, stream: string, change: object = {}) {
  const committed: LogCommitted[] = [];
  const spec: RunSpec = {
    ...runHead(),
    type: 'follow',
    stream,
    slot: 'rhb_pushed',
    way: 'push',
    commitSeconds: 60,
    heartbeatSeconds: 0,
    ...change,
  };
  const options = runOptions(folder, { signal: new AbortController().signal, onLogCommitted: (told) => committed.push(told) });
  const evidence = (await executeRun(spec, secrets, { ...options, pushedSegments })) as FollowEvidence;
  return { committed, evidence };
}
async function segment(): Promise<{ name: string; content: Buffer }> {
  await server.query('CREATE TABLE IF NOT EXISTS marks (i int)');
  await server.query('INSERT INTO marks SELECT generate_series(1, 1000)');
  const [row] = await server.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS name');
  return { name: row!.name, content: await readFile(join(server.dataFolder, 'pg_wal', row!.name)) };
}
const rangesOf = async (stream: string) =>
  (await Array.fromAsync(repository.logs({ stream }))).map((log) => log.ok && [log.manifest.range.start, log.manifest.objects.length]);

describe('a log that is pushed', () => {
  it('is stored once by a credential that only writes, and compared by hash when it comes again', async () => {
    const stream = `stream_${randomUUID()}`;
    const [one, two] = [await segment(), await segment()];
    const first = await take([one, two], stream);
    expect(first.outcomes).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }]);
    expect(first.evidence).toMatchObject({ end: { reason: 'stopped', position: { timeline: 1 } }, commits: 2, bytes: 32 << 20 });
    expect(first.committed.map(({ range }) => range.lastCommitAt !== undefined)).toEqual([true, true]);
    const stored = await rangesOf(stream);
    expect(stored).toHaveLength(2);

    // Whoever committed them told nobody, and is dead.
    const altered = Buffer.from(two.content);
    altered[5_000_000]! ^= 1;
    const again = await take([one, { ...two, content: altered }, two], stream);
    expect(again.outcomes).toMatchObject([
      { outcome: 'known' },
      { outcome: 'refused', error: { code: 'log_segment_differs' } },
      { outcome: 'known' },
    ]);
    expect(again.evidence).toMatchObject({ commits: 0, end: { position: first.evidence.end.position } });
    expect(again.committed.map(({ range }) => [range.start, range.end])).toEqual(
      first.committed.map(({ range }) => [range.start, range.end]),
    );
    expect(await rangesOf(stream)).toEqual(stored);

    const more = await take([await segment(), await segment(), await segment()], stream, { from: first.evidence.end.position });
    expect(more.outcomes).toEqual(Array(3).fill({ outcome: 'stored' }));
    expect(await rangesOf(stream)).toHaveLength(5);
    expect((await take([one, two], stream)).outcomes).toEqual([{ outcome: 'known' }, { outcome: 'known' }]);
  }, 60_000);

  it('says no secret to whoever pushes', async () => {
    const outcomes: Outcome[] = [];
    async function* failing(): AsyncGenerator<PushedSegment> {
      const open = () => Promise.reject(new RahatError('unavailable', `no way with ${connection.password}`));
      yield { name: '000000010000000000000001', sizeBytes: 16 << 20, open, settle: (outcome) => void outcomes.push(outcome) };
    }
    await run(failing(), `stream_${randomUUID()}`);
    expect(outcomes).toMatchObject([
      { outcome: 'refused', error: { code: 'unavailable', message: expect.stringMatching(/^no way with/) } },
    ]);
    expect(JSON.stringify(outcomes)).not.toContain(connection.password);
  }, 30_000);

  it('ends when another server answers, and drops the slot that it had when it was followed', async () => {
    const stream = `stream_${randomUUID()}`;
    const { outcomes, evidence } = await take([await segment()], stream, { identity: '7' });
    expect(outcomes).toEqual([]);
    expect(evidence.end).toMatchObject({ reason: 'gap', gap: 'source_replaced' });
    await server.query(`SELECT pg_create_physical_replication_slot('rhb_pushed', true)`);
    await take([], stream);
    expect(await server.query('SELECT FROM pg_replication_slots')).toEqual([]);
  }, 30_000);
});
