import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FollowEnd, Job } from '@rahat/connector-kit';
import { lsnText, type RecoveryTarget } from '@rahat/contracts';
import { hasPostgresql, startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { testRestoreBaseBackup } from '../../physical/index.js';
import { backUp, connectionTo, followedSettings, followRequest, LogInMemory, quietJob, toolFoldersOf, until } from '../test-parts.js';
import { Pushing } from './pushing.js';
import { takePushed } from './take-pushed.js';

const SEGMENT_BYTES = 16 << 20;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rhb-push-spec-'));
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A server that archives into a folder, from which a test pushes. */
async function startArchiving(major: 13 | 15 | 18): Promise<PostgresqlServer & { archive: string }> {
  const archive = await mkdtemp(join(folder, 'archive-'));
  await chmod(archive, 0o777);
  const server = await startPostgresql({
    major,
    settings: { ...followedSettings, archive_mode: 'on', archive_command: `cp %p ${archive}/%f`, restore_command: `cp ${archive}/%f %p` },
  });
  return Object.assign(server, { archive });
}

/** All that it wrote so far is archived. */
async function archiveAll(server: PostgresqlServer): Promise<void> {
  const [row] = await server.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS name');
  await until(async () => {
    const [seen] = await server.query<{ done: boolean }>('SELECT last_archived_wal >= $1 AS done FROM pg_stat_archiver', [row!.name]);
    return seen!.done;
  });
}

interface Taking extends AsyncDisposable {
  pushing: Pushing;
  warnings: string[];
  end: Promise<FollowEnd>;
}

async function taking(server: PostgresqlServer, log: LogInMemory, from?: { timeline: number; lsn: string }): Promise<Taking> {
  const [row] = await server.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
  const pushing = new Pushing();
  const warnings: string[] = [];
  const job: Job = { ...quietJob, log: (level, message) => void (level === 'warning' && warnings.push(message)) };
  const end = takePushed(connectionTo(server), { ...followRequest, identity: row!.id, from }, pushing, log, job);
  end.catch(() => undefined);
  return {
    pushing,
    warnings,
    end,
    [Symbol.asyncDispose]: async () => {
      pushing.end();
      await end.catch(() => undefined);
    },
  };
}

const contentOf = (archive: string, name: string) => readFile(join(archive, name));
const segmentsIn = async (archive: string) => (await readdir(archive)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();

describe.each([13, 18] as const)('what PostgreSQL %i archives and pushes', (major) => {
  (hasPostgresql(major) ? it : it.skip)(
    'is kept segment by segment, and brings a base backup to a moment, also behind the beginning of a new timeline',
    async () => {
      await using server = await startArchiving(major);
      const log = new LogInMemory();
      const first = await taking(server, log);
      await server.query('CREATE TABLE marks (i int)');
      const backup = await backUp(connectionTo(server));
      await server.query('INSERT INTO marks VALUES (1)');
      const [moment] = await server.query<{ time: string }>(
        `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
      );
      await server.query('INSERT INTO marks SELECT 2 FROM generate_series(1, 400000)');
      await archiveAll(server);
      const former = await segmentsIn(server.archive);
      for (const name of former)
        expect([name, await first.pushing.push(name, await contentOf(server.archive, name))]).toEqual([name, { outcome: 'stored' }]);
      expect(log.ranges.every((range, index) => index === 0 || range.start === log.ranges[index - 1]!.end)).toBe(true);
      expect(log.ranges.at(-1)!.lastCommitAt! > moment!.time).toBe(true);
      first.pushing.end();
      expect(await first.end).toMatchObject({ reason: 'stopped', position: log.end });

      // It goes on as a new primary does: on a timeline of its own, from the middle of a segment.
      await server.query('INSERT INTO marks VALUES (3)');
      await server.stop('fast');
      await writeFile(join(server.dataFolder, 'recovery.signal'), '', { mode: 0o644 });
      await server.restart();
      await until(async () => (await server.query<{ over: boolean }>('SELECT NOT pg_is_in_recovery() AS over'))[0]!.over);
      await server.query('INSERT INTO marks VALUES (4)');
      await archiveAll(server);
      await using second = await taking(server, log, log.end);
      const later = (await segmentsIn(server.archive)).filter((name) => !former.includes(name));
      const verdicts: [string, string][] = [];
      for (const name of later) {
        const content = await contentOf(server.archive, name);
        let verdict = await second.pushing.push(name, content);
        if (verdict.outcome === 'refused') {
          verdicts.push([name.slice(0, 8), verdict.code]);
          verdict = await second.pushing.push(name, content);
        }
        verdicts.push([name.slice(0, 8), verdict.outcome]);
      }
      // The segment in which it begins holds two timelines: each try stores one.
      expect(verdicts.filter(([timeline]) => timeline === '00000002').slice(0, 2)).toEqual([
        ['00000002', 'unavailable'],
        ['00000002', 'stored'],
      ]);
      // Nobody told it of the timeline: it asked the server.
      expect([...log.histories.keys()]).toEqual([2]);

      const context = { scratchFolder: folder, toolFolders: toolFoldersOf(major), signal: quietJob.signal };
      const rowsAt = async (target: RecoveryTarget) => {
        const proof = await testRestoreBaseBackup(backup, context, quietJob, [], { target, log });
        return proof.tablesRead?.find(({ table }) => table === 'marks')?.rows;
      };
      expect(await rowsAt({ kind: 'time', time: moment!.time, inclusive: true })).toBe(1);
      expect(await rowsAt({ kind: 'end' })).toBe(400_003);
    },
    240_000,
  );
});

describe('a pushed segment', () => {
  let server: PostgresqlServer & { archive: string };
  let segments: { name: string; content: Buffer }[];
  beforeAll(async () => {
    server = await startArchiving(15);
    await server.query('CREATE TABLE marks (i int)');
    await server.query('INSERT INTO marks SELECT 2 FROM generate_series(1, 600000)');
    await archiveAll(server);
    const names = await segmentsIn(server.archive);
    segments = await Promise.all(names.slice(-3).map(async (name) => ({ name, content: await contentOf(server.archive, name) })));
  }, 120_000);
  afterAll(() => server?.stop());

  const altered = (content: Buffer, at: number, byte = content[at]! ^ 1) => {
    const copy = Buffer.from(content);
    copy[at] = byte;
    return copy;
  };

  it('is stored once: the same is known, and other bytes are refused', async () => {
    const log = new LogInMemory();
    await using it = await taking(server, log);
    const [{ name, content }] = segments as [(typeof segments)[0]];
    expect(await Promise.all([it.pushing.push(name, content), it.pushing.push(name, content)])).toEqual([
      { outcome: 'stored' },
      { outcome: 'known' },
    ]);
    expect(await it.pushing.push(name, altered(content, 9_000_000))).toMatchObject({ outcome: 'refused', code: 'log_segment_differs' });
    expect(await it.pushing.push(name, content)).toEqual({ outcome: 'known' });
    expect(log.kept).toHaveLength(1);
    expect(log.kept[0]!.bytes.equals(content)).toBe(true);
    // Whoever was killed before it told is made up for.
    expect(log.knownAgain[0]).toMatchObject({ start: log.kept[0]!.range.start, end: log.kept[0]!.range.end });
  });

  it('is known to a follower that begins anew, also when the ledger did not hear of it', async () => {
    const log = new LogInMemory();
    const [{ name, content }, next] = segments as [(typeof segments)[0], (typeof segments)[0]];
    {
      await using it = await taking(server, log);
      await it.pushing.push(name, content);
    }
    await using it = await taking(server, log, { timeline: 1, lsn: log.kept[0]!.range.start });
    expect(await it.pushing.push(name, content)).toEqual({ outcome: 'known' });
    expect(await it.pushing.push(next.name, next.content)).toEqual({ outcome: 'stored' });
    expect(log.kept).toHaveLength(2);
  });

  it('is compared also right behind one that was known', async () => {
    const log = new LogInMemory();
    const [one, two] = segments as [(typeof segments)[0], (typeof segments)[0]];
    await using it = await taking(server, log);
    await it.pushing.push(two.name, two.content);
    await it.pushing.push(one.name, one.content);
    for (const _again of [1, 2]) {
      expect(await it.pushing.push(two.name, altered(two.content, 1_000_000))).toMatchObject({ code: 'log_segment_differs' });
      expect(await it.pushing.push(one.name, one.content)).toEqual({ outcome: 'known' });
    }
    expect(await it.pushing.push(two.name, two.content)).toEqual({ outcome: 'known' });
    expect(log.kept).toHaveLength(2);
  });

  it.each([
    ['another server', 'log_segment_foreign', (content: Buffer) => altered(content, 24)],
    ['another address than its name', 'log_segment_damaged', (content: Buffer) => altered(content, 11)],
    ['another timeline', 'log_segment_damaged', (content: Buffer) => altered(content, 4, 9)],
    ['no magic', 'log_segment_damaged', (content: Buffer) => altered(content, 1, 0)],
    ['no long header', 'log_segment_damaged', (content: Buffer) => altered(content, 2, 0)],
    ['another size', 'log_segment_damaged', (content: Buffer) => content.subarray(0, SEGMENT_BYTES / 2)],
    ['fewer bytes than were told', 'log_segment_damaged', (content: Buffer) => content.subarray(0, 5_000_000)],
    ['hardly any bytes', 'log_segment_damaged', (content: Buffer) => content.subarray(0, 20)],
  ])('of %s is refused with %s, and nothing of it is kept', async (what, code, change) => {
    const log = new LogInMemory();
    await using it = await taking(server, log);
    const [{ name, content }] = segments as [(typeof segments)[0]];
    const sizeBytes = what === 'another size' ? SEGMENT_BYTES / 2 : SEGMENT_BYTES;
    expect(await it.pushing.push(name, change(content), { sizeBytes })).toMatchObject({ outcome: 'refused', code });
    expect(log.kept).toEqual([]);
    expect(await it.pushing.push(name, content)).toEqual({ outcome: 'stored' });
  });

  it('that breaks off is not kept, and taken when it comes again', async () => {
    const log = new LogInMemory();
    await using it = await taking(server, log);
    const [{ name, content }] = segments as [(typeof segments)[0]];
    for (const breaksAt of [0, 30, 1 << 20, SEGMENT_BYTES - 100_000])
      expect((await it.pushing.push(name, content, { breaksAt })).outcome).toBe('refused');
    expect(log.kept).toEqual([]);
    expect(await it.pushing.push(name, content)).toEqual({ outcome: 'stored' });
  });

  it('behind a hole is kept, and so is what fills the hole later', async () => {
    const log = new LogInMemory();
    await using it = await taking(server, log);
    for (const index of [0, 2, 1])
      expect(await it.pushing.push(segments[index]!.name, segments[index]!.content)).toEqual({ outcome: 'stored' });
    expect(log.kept.map(({ bytes }) => bytes.equals(segments[0]!.content))).toEqual([true, false, false]);
  });

  it('goes on from log that was followed before, which is compared as far as it can be', async () => {
    const [{ name, content }] = segments as [(typeof segments)[0]];
    const before = new LogInMemory();
    await using probe = await taking(server, before);
    await probe.pushing.push(name, content);
    const start = BigInt(`0x${before.kept[0]!.range.start.replace('/', '').padStart(8, '0')}`);
    const log = new LogInMemory();
    const followed = (from: number, to: number) => {
      const range = { timeline: 1, start: lsnText(start + BigInt(from)), end: lsnText(start + BigInt(to)) };
      log.kept.push({ range, bytes: Buffer.from(content.subarray(from, to)) });
    };
    followed(0, 5_000);
    followed(5_000, 9_001);
    await using it = await taking(server, log, { timeline: 1, lsn: lsnText(start + 9_001n) });
    expect(await it.pushing.push(name, altered(content, 8_999))).toMatchObject({ outcome: 'refused', code: 'log_segment_differs' });
    expect(await it.pushing.push(name, content)).toEqual({ outcome: 'stored' });
    expect(log.kept.at(-1)!.bytes.equals(content.subarray(9_001))).toBe(true);
  });

  it('is refused when its storage fails, which also ends the follower', async () => {
    const log = new LogInMemory();
    log.onCommit = () => Promise.reject(new Error('the storage is away'));
    const it = await taking(server, log);
    expect(await it.pushing.push(segments[0]!.name, segments[0]!.content)).toMatchObject({ outcome: 'refused', code: 'internal' });
    await expect(it.end).rejects.toThrow('the storage is away');
  });

  it('of zeros, or of noise, is refused', async () => {
    const log = new LogInMemory();
    await using it = await taking(server, log);
    for (const content of [Buffer.alloc(SEGMENT_BYTES), randomBytes(SEGMENT_BYTES)])
      expect(await it.pushing.push(segments[0]!.name, content)).toMatchObject({ outcome: 'refused', code: 'log_segment_damaged' });
    expect(log.kept).toEqual([]);
  });
});
