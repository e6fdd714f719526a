import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { parseLogPosition } from '../physical/log-position.js';
import { restoreBaseBackupToFolder, testRestoreBaseBackup } from '../physical/index.js';
import {
  type ArtifactsInMemory,
  backUp,
  caughtUp,
  connectionTo,
  failureOf,
  followedSettings,
  LogInMemory,
  quietJob,
  startFollower,
  toolFoldersOf,
} from './test-parts.js';

let scratchFolder: string;
let server: PostgresqlServer;
let backup: ArtifactsInMemory;
let whole: LogInMemory;
let log: LogInMemory;

beforeAll(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-wal-spec-'));
  server = await startPostgresql({ major: 15, settings: followedSettings });
  whole = new LogInMemory();
  await using follower = startFollower(connectionTo(server), whole);
  await server.query('CREATE TABLE marks (i int, filler text); ALTER TABLE marks ALTER filler SET STORAGE EXTERNAL');
  backup = await backUp(connectionTo(server));
  for (let i = 0; i < 4; i++) {
    await server.query(`INSERT INTO marks SELECT ${i}, repeat('x', 5000000)`);
    await caughtUp(server, whole, follower);
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(scratchFolder, { recursive: true, force: true });
});
beforeEach(() => {
  log = new LogInMemory();
  for (const { range, bytes } of whole.kept) log.kept.push({ range: { ...range }, bytes: Buffer.from(bytes) });
});

const toEnd = () => ({ target: { kind: 'end' as const }, log });
/** Of what recovery reads: before the next segment lies what the backup has itself, and the padding behind it. */
const largest = (): number => {
  const end = parseLogPosition(String(backup.facts.positions['endLsn']));
  const next = end - (end % 0x1000000n) + 0x1000000n;
  const read = log.kept.filter(({ range }) => parseLogPosition(range.start) >= next);
  return log.kept.indexOf(read.reduce((big, kept) => (kept.bytes.length > big.bytes.length ? kept : big)));
};

describe('a log of which a part', () => {
  it('is missing is recovered only up to there, and says so when more is asked for', async () => {
    const last = whole.ranges.findLast((range) => range.lastCommitAt)!.lastCommitAt!;
    log.kept.splice(largest(), 1);
    const failure = await failureOf(
      restoreBaseBackupToFolder(backup, join(scratchFolder, 'gap'), quietJob, {
        target: { kind: 'time', time: last, inclusive: true },
        log,
      }),
    );
    expect(failure).toMatchObject({
      code: 'recovery_target_unreachable',
      hint: expect.stringMatching(/the log has a gap from .* to .* of timeline 1/),
    });
    expect(await readdir(scratchFolder)).toEqual([]);
  });

  it('cannot be read fails the restore, and leaves no folder that could be started', async () => {
    const target = join(scratchFolder, 'unreadable');
    const broken = Object.assign(Object.create(log) as LogInMemory, {
      async *read(...range: Parameters<LogInMemory['read']>) {
        let bytes = 0;
        for await (const piece of log.read(...range)) {
          bytes += piece.length;
          // Of each segment's pieces the end is withheld.
          if (bytes > 3_000_000 && range[2] - range[1] > 8_000_000n) return;
          yield piece;
        }
      },
    });
    const failure = await failureOf(restoreBaseBackupToFolder(backup, target, quietJob, { ...toEnd(), log: broken }));
    expect(failure.message).toMatch(/bytes instead of/);
    expect(await readdir(scratchFolder)).not.toContain('unreadable');
    await rm(`${target}.rhb-partial`, { recursive: true, force: true });
  });

  it.each([
    ['is damaged', (bytes: Buffer) => bytes.fill(0xa5, bytes.length >> 1, (bytes.length >> 1) + 64)],
    ['is of another place', (bytes: Buffer) => bytes.copyWithin(0, 8192 * 20)],
    ['is zeros', (bytes: Buffer) => bytes.fill(0, 8192)],
  ])('%s never passes for its end', async (_name, damage) => {
    damage(log.kept[largest()]!.bytes);
    const context = { scratchFolder, toolFolders: toolFoldersOf(15), signal: quietJob.signal };
    const failure = await failureOf(testRestoreBaseBackup(backup, context, quietJob, [], toEnd()));
    expect(failure.message).toMatch(/recovery ended before configured recovery target was reached|did not start/);
  });
});
