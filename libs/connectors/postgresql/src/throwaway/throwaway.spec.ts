import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { findServerBinaries, makeThrowawayFolder, removeThrowawayLeftovers, startThrowawayServer, type ThrowawayServer } from './index.js';
import { giveTreeTo } from './server-account.js';
import { runServerProgram } from './server-process.js';

const DEBIAN = '/usr/lib/postgresql/15/bin';
const signal = new AbortController().signal;
const parents: ChildProcess[] = [];
let scratchFolder: string;

beforeEach(async () => {
  scratchFolder = await mkdtemp(join(tmpdir(), 'rhb-throwaway-spec-'));
  await chmod(scratchFolder, 0o700);
});
afterEach(async () => {
  for (const parent of parents.splice(0)) parent.kill('SIGKILL');
  await rm(scratchFolder, { recursive: true, force: true });
});

function loginOf({ connection: { host, port, user, password } }: ThrowawayServer): pg.ClientConfig {
  return { host, port, user, password };
}

async function ask(server: ThrowawayServer, sql: string, overrides: pg.ClientConfig = {}): Promise<unknown> {
  const client = new pg.Client({ ...loginOf(server), database: 'postgres', ...overrides });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ answer: unknown }>(`SELECT (${sql})::text AS answer`);
    return rows[0]?.answer;
  } finally {
    await client.end();
  }
}

/** Dead, but still in the process table, because its parent (a shell that became `sleep`) never looks at its exit. */
async function zombie(): Promise<{ pid: number; startedAt: string }> {
  const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  parents.push(parent);
  const [pid] = ((await once(parent.stdout, 'data')) as [Buffer]).map((bytes) => Number(String(bytes)));
  for (;;) {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
    if (fields[0] === 'Z') return { pid: pid!, startedAt: fields[19]! };
    await sleep(20);
  }
}

function gone(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}

describe('startThrowawayServer', () => {
  it.each([
    [15, 'Debian'],
    [18, 'embedded'],
  ])('runs PostgreSQL %i (%s) over loopback and socket, with its password only', async (major) => {
    const server = await startThrowawayServer({ major, scratchFolder, toolFolders: [], signal, settings: { work_mem: '9MB' } });
    try {
      expect(server.major).toBe(major);
      expect(await ask(server, `current_setting('server_version_num')::int / 10000`)).toBe(String(major));
      expect(await ask(server, `current_setting('work_mem')`, { host: server.socketFolder })).toBe('9MB');
      await expect(ask(server, '1', { password: 'guess' })).rejects.toMatchObject({ code: '28P01' });
      const argv = await readFile(
        `/proc/${(await readFile(join(server.dataFolder, 'postmaster.pid'), 'utf8')).split('\n')[0]}/cmdline`,
        'utf8',
      );
      expect(argv).not.toContain(server.connection.password);
    } finally {
      await server.stop();
    }
    expect(await readdir(scratchFolder)).toEqual([]);
    expect(await gone(server.socketFolder)).toBe(true);
  });

  it('says which program is missing for a major that is not installed', async () => {
    await expect(startThrowawayServer({ major: 9, scratchFolder, toolFolders: [], signal })).rejects.toMatchObject({
      code: 'tool_missing',
    });
    expect(await readdir(scratchFolder)).toEqual([]);
  });

  it('leaves nothing behind when the server does not start', async () => {
    const failing = startThrowawayServer({
      major: 15,
      scratchFolder,
      toolFolders: [DEBIAN],
      signal,
      settings: { shared_buffers: 'plenty' },
    });
    await expect(failing).rejects.toThrow(/shared_buffers/);
    expect(await readdir(scratchFolder)).toEqual([]);
  });

  it('tells which segment of the log it replays, and waits for a server that still moves', async () => {
    const folder = await makeThrowawayFolder(scratchFolder);
    const binaries = await findServerBinaries(15, [DEBIAN], join(folder.path, 'libraries'));
    const programs = { binaries, account: folder.account, logFile: join(folder.path, 'initdb.log'), signal };
    const dataFolder = join(folder.path, 'data');
    await mkdir(dataFolder, { mode: 0o700 });
    await giveTreeTo(folder.account, dataFolder);
    await runServerProgram(programs, 'initdb', ['-D', dataFolder, '-U', 'postgres', '--no-sync']);
    await writeFile(join(dataFolder, 'recovery.signal'), '');
    const replayed: string[] = [];
    const server = await startThrowawayServer({
      ...{ major: 15, folder, dataFolder, scratchFolder, toolFolders: [DEBIAN], signal },
      settings: { restore_command: 'sleep 0.8; false' },
      onReplay: (segment) => replayed.push(segment),
    });
    try {
      expect(replayed).toContain('000000010000000000000001');
      expect(await ask(server, 'pg_is_in_recovery()')).toBe('false');
    } finally {
      await server.stop();
    }
  });

  it('stops and removes the leftovers of a dead owner, and those only', async () => {
    const used = await startThrowawayServer({ major: 15, scratchFolder, toolFolders: [DEBIAN], signal });
    const abandoned = await startThrowawayServer({ major: 15, scratchFolder, toolFolders: [DEBIAN], signal });
    try {
      const folder = join(abandoned.dataFolder, '..');
      const owner = JSON.parse(await readFile(join(folder, 'owner.json'), 'utf8')) as object;
      await writeFile(join(folder, 'owner.json'), JSON.stringify({ ...owner, ...(await zombie()) }));
      await mkdir(join(scratchFolder, 'something-else'));

      expect(await removeThrowawayLeftovers(scratchFolder)).toEqual([folder]);
      await expect(ask(abandoned, '1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      expect(await gone(abandoned.socketFolder)).toBe(true);
      expect(await ask(used, '1')).toBe('1');
    } finally {
      await used.stop();
      await abandoned.stop();
    }
  });

  it('believes nobody else what lies in the folder that all share', async () => {
    const nobody = 65_534;
    const victim = join(scratchFolder, 'victim');
    await mkdir(victim);
    const word = JSON.stringify({ ...(await zombie()), socketFolder: victim, dataFolder: victim });
    const planted = join(tmpdir(), `rhb_t_${randomBytes(6).toString('hex')}`);
    try {
      await mkdir(planted);
      await writeFile(join(planted, 'owner.json'), word);
      for (const foreign of [planted, join(planted, 'owner.json')]) {
        await chown(foreign, nobody, nobody);
        expect(await removeThrowawayLeftovers(scratchFolder)).not.toContain(planted);
        await chown(foreign, process.getuid!(), process.getgid!());
      }
      await rename(join(planted, 'owner.json'), join(planted, 'elsewhere'));
      await symlink(join(planted, 'elsewhere'), join(planted, 'owner.json'));
      expect(await removeThrowawayLeftovers(scratchFolder)).not.toContain(planted);
      expect(await gone(victim)).toBe(false);
    } finally {
      await rm(planted, { recursive: true, force: true });
    }
  });
});
