import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rm, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RahatError } from '@rahat/contracts';
import { recordOwner } from './leftovers.js';
import { ensureSuperuser } from './superuser.js';
import { allowPassage, firstImpassableFolder, giveTreeTo, serverAccount, type ServerAccount } from './server-account.js';
import { findServerBinaries, type ServerBinaries } from './server-binaries.js';
import { type Programs, runServerProgram, ServerProcess } from './server-process.js';
import { settingsFile, throwawaySettings } from './throwaway-settings.js';

export interface ThrowawayOptions {
  /** Absent: the newest found (or, with `dataFolder`, required to be that folder's major). */
  major?: number;
  /** Start on this restored data directory, inside a folder of `makeThrowawayFolder`, instead of an empty new server. */
  restored?: { folder: ThrowawayFolder; dataFolder: string };
  /** Private folder of the run, for the server's files. */
  scratchFolder: string;
  toolFolders: string[];
  signal: AbortSignal;
  /** Server settings over the throwaway's own. */
  settings?: Record<string, string>;
}

export interface ThrowawayServer extends AsyncDisposable {
  /** Loopback with a random password; empty for a restored server, which listens on its private socket only. */
  host: string;
  port: number;
  /** Folder of the Unix socket (mode 0700): usable as libpq's and node-postgres' `host`. */
  socketFolder: string;
  user: string;
  password: string;
  major: number;
  /** e.g. `15.18`. */
  version: string;
  dataFolder: string;
  /** Stops the server and removes every file of it. */
  stop(): Promise<void>;
}

/** A folder that a throwaway's account can reach, known to the janitor. */
export interface ThrowawayFolder {
  path: string;
  socketFolder: string;
  account: ServerAccount | undefined;
  remove(): Promise<void>;
}

const FRESH_START_LIMIT_MS = 60_000;
/** A restored server replays its log first. */
const RESTORED_START_LIMIT_MS = 30 * 60_000;

export async function makeThrowawayFolder(scratchFolder: string): Promise<ThrowawayFolder> {
  const account = await serverAccount();
  let parent = scratchFolder;
  if (account) {
    await allowPassage(scratchFolder);
    // Below a 0700 home the server's account could never reach the scratch folder.
    if (await firstImpassableFolder(scratchFolder, account)) parent = tmpdir();
  }
  const name = `rhb_t_${randomBytes(6).toString('hex')}`;
  const path = join(parent, name);
  // A socket's path is limited to 107 bytes, so it cannot lie below an arbitrary scratch folder.
  const socketFolder = join(tmpdir(), `${name}.socket`);
  await mkdir(path, { mode: 0o711 });
  await recordOwner(path, socketFolder);
  await mkdir(socketFolder, { mode: 0o700 });
  await giveTreeTo(account, socketFolder);
  const remove = async () => {
    await rm(socketFolder, { recursive: true, force: true });
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  };
  return { path, socketFolder, account, remove };
}

/** Starts a private server that leaves nothing behind; see README for what "private" means. */
export async function startThrowawayServer(options: ThrowawayOptions): Promise<ThrowawayServer> {
  const folder = options.restored?.folder ?? (await makeThrowawayFolder(options.scratchFolder));
  try {
    const binaries = await findServerBinaries(options.major, options.toolFolders, join(folder.path, 'libraries'));
    await refuseUnreachablePrograms(binaries, folder.account);
    return await startIn(folder, binaries, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startIn(folder: ThrowawayFolder, binaries: ServerBinaries, options: ThrowawayOptions): Promise<ThrowawayServer> {
  const programs: Programs = { binaries, account: folder.account, logFile: join(folder.path, 'server.log'), signal: options.signal };
  const dataFolder = options.restored?.dataFolder ?? join(folder.path, 'data');
  const password = randomBytes(24).toString('base64url');
  if (options.restored) await prepareRestored(dataFolder, folder.account);
  else await initialise(programs, folder, dataFolder, password);

  const tcp = !options.restored;
  const start = async (attempt = 1): Promise<{ process: ServerProcess; port: number }> => {
    const port = await freePort();
    const configFile = await writeConfiguration(folder, binaries.major, { port, tcp }, options.settings);
    try {
      const limit = tcp ? FRESH_START_LIMIT_MS : RESTORED_START_LIMIT_MS;
      return { port, process: await ServerProcess.start(programs, dataFolder, configFile, limit) };
    } catch (error) {
      // Between asking for a free port and binding it another process may take it.
      if (attempt < 3 && error instanceof Error && /Address already in use/.test(error.message)) return start(attempt + 1);
      throw error;
    }
  };
  let running = await start();
  const stop = async () => {
    await running.process.stop();
    await folder.remove();
  };
  try {
    const user = options.restored
      ? await ensureSuperuser(
          () => ({ socketFolder: folder.socketFolder, port: running.port }),
          async (statement) => {
            await running.process.stop();
            const argv = ['--single', '-D', dataFolder, '-c', `config_file=${join(folder.path, 'postgresql.conf')}`, 'template1'];
            await runServerProgram(programs, 'postgres', argv, `${statement}\n`);
            running = await start();
          },
        )
      : 'postgres';
    return {
      host: tcp ? '127.0.0.1' : '',
      port: running.port,
      socketFolder: folder.socketFolder,
      user,
      password: tcp ? password : '',
      major: binaries.major,
      version: binaries.version,
      dataFolder,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await running.process.stop();
    throw error;
  }
}

async function initialise(programs: Programs, folder: ThrowawayFolder, dataFolder: string, password: string): Promise<void> {
  await mkdir(dataFolder, { mode: 0o700 });
  const passwordFile = join(folder.path, 'password');
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
  await giveTreeTo(folder.account, dataFolder);
  if (folder.account) await chown(passwordFile, folder.account.uid, folder.account.gid);
  try {
    const argv = ['-D', dataFolder, '-U', 'postgres', '--pwfile', passwordFile, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'];
    await runServerProgram(programs, 'initdb', argv);
  } finally {
    await unlink(passwordFile);
  }
}

/** The source's own settings name paths, libraries and peers that do not exist here; the throwaway's replace them all. */
async function prepareRestored(dataFolder: string, account: ServerAccount | undefined): Promise<void> {
  await writeFile(join(dataFolder, 'postgresql.auto.conf'), '');
  for (const name of ['standby.signal', 'recovery.signal', 'postmaster.pid']) await rm(join(dataFolder, name), { force: true });
  await chmod(dataFolder, 0o700);
  await giveTreeTo(account, dataFolder);
}

async function writeConfiguration(
  folder: ThrowawayFolder,
  major: number,
  listen: { port: number; tcp: boolean },
  overrides: Record<string, string> = {},
): Promise<string> {
  const access = join(folder.path, 'pg_hba.conf');
  const idents = join(folder.path, 'pg_ident.conf');
  const configuration = join(folder.path, 'postgresql.conf');
  // Trust is confined to the socket folder, which only this account can enter.
  await writeFile(access, listen.tcp ? 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n' : 'local all all trust\n');
  await writeFile(idents, '');
  const settings = { ...throwawaySettings({ ...listen, socketFolder: folder.socketFolder }, major), hba_file: access, ident_file: idents, ...overrides };
  await writeFile(configuration, settingsFile(settings));
  for (const path of [access, idents, configuration]) await giveTreeTo(folder.account, path);
  return configuration;
}

async function refuseUnreachablePrograms(binaries: ServerBinaries, account: ServerAccount | undefined): Promise<void> {
  const closed = await firstImpassableFolder(binaries.binFolder, account);
  if (!closed) return;
  throw new RahatError('tool_missing', `The PostgreSQL programs in ${binaries.binFolder} cannot be run by an ordinary account, and a server cannot run as root`, {
    hint: `Allow passage: chmod o+x ${closed} - or install into a folder that everybody may enter.`,
  });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((listening, failed) => probe.once('error', failed).listen(0, '127.0.0.1', listening));
  const address = probe.address();
  await new Promise((closed) => probe.close(closed));
  if (address === null || typeof address === 'string') throw new RahatError('internal', 'No free port was given');
  return address.port;
}
