import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectorSession, Job } from '@rahat/connector-kit';
import type { PostgresqlConnection } from '@rahat/contracts';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { postgresqlConnector } from '../connector.js';
import { ArtifactsInMemory, connectionTo, failureOf, quietJob } from '../physical/test-parts.js';

const PG_DUMP = '/usr/lib/postgresql/15/bin/pg_dump';
let server: PostgresqlServer;
let scratchFolder: string;

beforeAll(async () => {
  scratchFolder = mkdtempSync(join(tmpdir(), 'rahat-faults-'));
  server = await startPostgresql({ major: 15 });
  await server.query('CREATE DATABASE big');
  await server.query('CREATE TABLE big AS SELECT n AS id, repeat(md5(n::text), 8) AS text FROM generate_series(1, 200000) n', [], 'big');
  await server.query("CREATE TABLE small (v text); INSERT INTO small VALUES ('x')", [], 'big');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(scratchFolder, { recursive: true, force: true });
});

function openSession(changed: Partial<PostgresqlConnection> = {}, toolFolders: string[] = []): Promise<ConnectorSession> {
  return postgresqlConnector.open(connectionTo(server, changed), { toolFolders, scratchFolder, signal: new AbortController().signal });
}

/** A pg_dump that answers --version like the real one, and then does what the script says. */
function fakeDump(name: string, script: string): string {
  const folder = join(scratchFolder, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'pg_dump'), `#!/bin/sh\ncase "$*" in --version) echo "pg_dump (PostgreSQL) 15.99";; *) ${script};; esac\n`);
  chmodSync(join(folder, 'pg_dump'), 0o755);
  return folder;
}

async function backUpBig(
  session: ConnectorSession,
  onPiece: () => Promise<void> | void = () => undefined,
  job: Job = quietJob,
): Promise<ArtifactsInMemory> {
  const backup = new ArtifactsInMemory();
  backup.onPiece = onPiece;
  backup.facts = await session.backup({ method: 'postgresql.logical', database: 'big', label: 'rahat-fault' }, backup, job);
  return backup;
}

/** Processes of pg_dump that talk to our server. */
function dumps(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${PG_DUMP}\0`) &&
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`PGPORT=${server.port}`)
        );
      } catch {
        return false;
      }
    });
}

const sessionsOnServer = async (): Promise<number> =>
  Number((await server.query<{ count: string }>("SELECT count(*) FROM pg_stat_activity WHERE datname = 'big'"))[0]?.count);

describe('a logical backup never looks complete when it is not', () => {
  it.each([
    ['exits 0 with no bytes', 'exit 0', 'dump_truncated', /empty/],
    [
      'exits 0 with a truncated stream',
      `${PG_DUMP} "$@" | head -c 3000000; exit 0`,
      'dump_truncated',
      /inside the data of TABLE DATA public\.big/,
    ],
    ['exits 0 in the middle of the table of contents', `${PG_DUMP} "$@" | head -c 900; exit 0`, 'dump_truncated', /table of contents/],
    ['exits 1 with no bytes', 'echo "pg_dump: error: out of luck" >&2; exit 1', 'tool_failed', /out of luck/],
    ['exits 1 after complete output', `${PG_DUMP} "$@"; exit 1`, 'tool_failed', /code 1/],
    ['prints something else', 'echo hello; exit 0', 'dump_invalid', /PGDMP/],
    ['floods stderr', 'head -c 20000000 /dev/zero | tr "\\\\0" "\\\\n" >&2; exit 3', 'tool_failed', /code 3/],
  ] as const)('when pg_dump %s', async (name, script, code, message) => {
    await using session = await openSession({}, [fakeDump(name.replaceAll(' ', '-'), script)]);
    const error = await failureOf(backUpBig(session));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(error.hint).toBeTruthy();
  });

  it('when pg_dump is killed in the middle, and the next run is clean', async () => {
    await using session = await openSession();
    let killed = 0;
    const error = await failureOf(
      backUpBig(session, () => {
        if (killed === 0) for (const pid of dumps()) killed = Number(process.kill(pid, 'SIGKILL'));
      }),
    );
    expect(killed).toBe(1);
    expect(error).toMatchObject({ code: 'tool_failed', message: expect.stringContaining('SIGKILL'), retryable: true });
    expect((await backUpBig(session)).facts.evidence.rows).toBe(200_001);
  });

  it('when the sink fails, and no tool and no session is left behind', async () => {
    await using session = await openSession();
    await expect(
      backUpBig(session, () => {
        if (dumps().length > 0) throw new Error('storage is full');
      }),
    ).rejects.toThrow('storage is full');
    expect(dumps()).toEqual([]);
    await delay(100);
    expect(await sessionsOnServer()).toBe(0);
  });

  it('when it is cancelled, and no tool and no session is left behind', async () => {
    await using session = await openSession();
    const cancel = new AbortController();
    const error = await failureOf(
      backUpBig(
        session,
        () => {
          if (dumps().length > 0) cancel.abort();
        },
        { ...quietJob, signal: cancel.signal },
      ),
    );
    expect(error).toMatchObject({ code: 'cancelled' });
    expect(dumps()).toEqual([]);
    await delay(100);
    expect(await sessionsOnServer()).toBe(0);
  });

  it('when a lock is not given in time or a right is missing', async () => {
    await server.query("CREATE ROLE weak LOGIN PASSWORD 'weak \\: password'");
    await using session = await openSession({ user: 'weak', password: 'weak \\: password' });
    expect(await failureOf(backUpBig(session))).toMatchObject({ code: 'source_permission_denied' });
    const findings = await session.preflight({ method: 'postgresql.logical', database: 'big', label: 'p' });
    expect(findings.find((finding) => finding.code === 'select_right_missing')).toMatchObject({
      severity: 'blocker',
      fix: 'GRANT pg_read_all_data TO "weak";',
    });
  });

  it('when the server refuses, is not there, or lacks the database', async () => {
    for (const [changed, code] of [
      [{ password: 'planted-secret-x' }, 'source_authentication_failed'],
      [{ port: 1 }, 'source_unreachable'],
      [{ host: 'nowhere.invalid' }, 'source_unreachable'],
    ] as const) {
      await using session = await openSession(changed);
      const error = await failureOf(backUpBig(session));
      expect(error).toMatchObject({ code });
      expect(JSON.stringify(error.serialize())).not.toContain('planted-secret-x');
      expect(await failureOf(session.probe())).toMatchObject({ code });
    }
    await using session = await openSession();
    expect(
      await failureOf(session.backup({ method: 'postgresql.logical', database: 'nope', label: 'x' }, new ArtifactsInMemory(), quietJob)),
    ).toMatchObject({ code: 'database_not_found' });
  });

  it('shows the password nowhere in the process list while it runs', async () => {
    await using session = await openSession();
    let looked = false;
    await backUpBig(session, () => {
      const seen = dumps();
      if (looked || seen.length === 0) return;
      for (const pid of seen)
        for (const file of ['cmdline', 'environ']) expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(server.password);
      looked = true;
    });
    expect(looked).toBe(true);
  });

  it('when the server goes away in the middle, and the next run is clean', async () => {
    await using session = await openSession();
    let stopped: Promise<void> | undefined;
    const error = await failureOf(
      backUpBig(session, async () => {
        if (dumps().length === 0) return;
        stopped ??= server.stop('immediate');
        await stopped;
      }),
    );
    expect(error).toMatchObject({ code: 'source_lost', retryable: true });
    await server.restart();
    expect((await backUpBig(session)).facts.evidence.rows).toBe(200_001);
  });

  it('leaves the target as it was when the server goes away in the middle of a restore, and the next one cleans up', async () => {
    await using session = await openSession();
    const backup = await backUpBig(session);
    const request = { target: { kind: 'database' as const, name: 'big', replace: true }, label: 'r' };
    let stopped: Promise<void> | undefined;
    const job: Job = {
      ...quietJob,
      progress: ({ phase, bytes }) => {
        if (phase === 'restore' && bytes > 20_000_000) stopped ??= server.stop('immediate');
      },
    };
    expect(await failureOf(session.restore(request, backup, job))).toMatchObject({ code: 'source_lost', retryable: true });
    await stopped;
    await server.restart();
    expect((await session.discover()).map((database) => database.name)).toContain('big__rhb_r');
    const restored = await session.restore(request, backup, quietJob);
    expect(restored.tables.every((table) => table.matches)).toBe(true);
    expect((await session.discover()).map((database) => database.name)).not.toContain('big__rhb_r');
  });

  it('says which client is missing for a server of another major', async () => {
    await using other = await startPostgresql({ major: 18 });
    await using session = await postgresqlConnector.open(connectionTo(other), {
      toolFolders: [],
      scratchFolder,
      signal: new AbortController().signal,
    });
    const error = await failureOf(
      session.backup({ method: 'postgresql.logical', database: 'postgres', label: 'x' }, new ArtifactsInMemory(), quietJob),
    );
    expect(error).toMatchObject({ code: 'tool_missing', hint: expect.stringContaining('postgresql-client-18') });
    const probe = await session.probe();
    expect(probe.methods.find((method) => method.method === 'postgresql.logical')).toMatchObject({ usable: false });
    expect(probe.methods.find((method) => method.method === 'postgresql.physical')).toMatchObject({ usable: true });
    // A dump of 15 goes to the newer server by the client that is there.
    await using source = await openSession();
    const backup = await backUpBig(source);
    const restored = await session.restore({ target: { kind: 'database', name: 'big', replace: false }, label: 'r' }, backup, quietJob);
    expect(restored.tables.every((table) => table.matches)).toBe(true);
  });
});
