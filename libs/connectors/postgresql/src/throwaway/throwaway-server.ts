import { randomBytes } from 'node:crypto';
import { mkdir, readFile, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { recordOwner } from './leftovers.js';
import { giveTreeTo } from './server-account.js';
import { refuseUnreachable, serverArguments, trustOwnSocket, writeAccess, writeServerFile } from './server-arguments.js';
import { findServerBinaries, type ServerBinaries } from './server-binaries.js';
import { type Programs, runServerProgram, ServerProcess } from './server-process.js';
import { ensureSuperuser } from './superuser.js';
import { makeThrowawayFolder, type ThrowawayFolder } from './throwaway-folder.js';
import { throwawaySettings } from './throwaway-settings.js';

export interface ThrowawayOptions {
  /** Absent: that of `dataFolder`, else the newest found. */
  major?: number;
  /** Found before, in place of looking for those of `major`. */
  binaries?: ServerBinaries;
  /**
   * Start on this restored data directory instead of an empty new server. The server replays its log and writes into it; as
   * root, it is given to the server's account. It stays when the server is stopped.
   */
  dataFolder?: string;
  /** Private folder of the run, for the server's files. */
  scratchFolder: string;
  toolFolders: string[];
  signal: AbortSignal;
  /** Server settings over the throwaway's own. */
  settings?: Record<string, string>;
  /** Of a restored folder: the segment of its log that is replayed. */
  onReplay?: (segment: string) => void;
  /** Made before by `makeThrowawayFolder`, so that `dataFolder` could be put into it; goes with the server. */
  folder?: ThrowawayFolder;
}

export interface ThrowawayServer extends AsyncDisposable {
  /**
   * As superuser. A new server: loopback with a random password. One on a restored folder: its private socket (`host` is the
   * socket's folder, as libpq and node-postgres take it), without password, because the restored roles' are unknown.
   */
  connection: PostgresqlConnection;
  /** Both kinds of server listen here, too; mode 0700. */
  socketFolder: string;
  major: number;
  /** e.g. `15.18`. */
  version: string;
  dataFolder: string;
  /** Stops the server and removes every file of it. */
  stop(): Promise<void>;
}

const FRESH_START_LIMIT_MS = 60_000;
/** A restored server replays its log first, which may be that of days; so long without a sign of it. */
const RESTORED_START_LIMIT_MS = 30 * 60_000;

/** Starts a private server that leaves nothing behind; see README for what "private" means. */
export async function startThrowawayServer(options: ThrowawayOptions): Promise<ThrowawayServer> {
  const folder = options.folder ?? (await makeThrowawayFolder(options.scratchFolder));
  try {
    const major = options.major ?? (options.dataFolder ? await majorOf(options.dataFolder) : undefined);
    const binaries = options.binaries ?? (await findServerBinaries(major, options.toolFolders, join(folder.path, 'libraries')));
    const programs: Programs = { binaries, account: folder.account, logFile: join(folder.path, 'server.log'), signal: options.signal };
    await refuseUnreachable(folder, binaries.binFolder, 'programs');
    const throwaway = new Throwaway(options, folder, programs);
    const connection = options.dataFolder ? await throwaway.startRestored(options.dataFolder) : await throwaway.startFresh();
    const stop = () => throwaway.stop();
    const { socketFolder } = folder;
    return {
      connection,
      socketFolder,
      major: binaries.major,
      version: binaries.version,
      dataFolder: throwaway.dataFolder,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

class Throwaway {
  dataFolder: string;
  private process?: ServerProcess;
  private port = 0;

  constructor(
    private readonly options: ThrowawayOptions,
    private readonly folder: ThrowawayFolder,
    private readonly programs: Programs,
  ) {
    this.dataFolder = options.dataFolder ?? join(folder.path, 'data');
  }

  async startFresh(): Promise<PostgresqlConnection> {
    const password = randomBytes(24).toString('base64url');
    await this.initialise(password);
    await writeAccess(this.folder, 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n');
    await this.start(true);
    return { host: '127.0.0.1', port: this.port, user: 'postgres', password, maintenanceDatabase: 'postgres', tls: 'disable' };
  }

  async startRestored(dataFolder: string): Promise<PostgresqlConnection> {
    await refuseUnreachable(this.folder, join(dataFolder, '..'), 'restored files');
    await recordOwner(this.folder.path, { socketFolder: this.folder.socketFolder, dataFolder });
    await giveTreeTo(this.folder.account, dataFolder);
    await trustOwnSocket(this.folder);
    await this.start(false);
    try {
      const user = await ensureSuperuser(
        () => ({ socketFolder: this.folder.socketFolder, port: this.port }),
        async (statement) => {
          await this.process?.stop();
          await runServerProgram(
            this.programs,
            'postgres',
            ['--single', '-D', dataFolder, ...(await this.argv(false)), 'template1'],
            `${statement}\n`,
          );
          await this.start(false);
        },
      );
      return { host: this.folder.socketFolder, port: this.port, user, password: '', maintenanceDatabase: 'postgres', tls: 'disable' };
    } catch (error) {
      await this.process?.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.process?.stop();
    await this.folder.remove();
  }

  private async start(tcp: boolean, attempt = 1): Promise<void> {
    try {
      const patience = { silenceMs: tcp ? FRESH_START_LIMIT_MS : RESTORED_START_LIMIT_MS, onReplay: this.options.onReplay };
      this.process = await ServerProcess.start(this.programs, this.dataFolder, await this.argv(tcp), patience);
    } catch (error) {
      // Between asking for a free port and binding it another process may take it.
      if (attempt >= 3 || !(error instanceof Error) || !/Address already in use/.test(error.message)) throw error;
      await this.start(tcp, attempt + 1);
    }
  }

  private async argv(tcp: boolean): Promise<string[]> {
    this.port = await freePort();
    const { socketFolder } = this.folder;
    const settings = throwawaySettings({ port: this.port, socketFolder, tcp }, this.programs.binaries.major);
    return serverArguments(this.folder, { ...settings, ...this.options.settings });
  }

  private async initialise(password: string): Promise<void> {
    await mkdir(this.dataFolder, { mode: 0o700 });
    await giveTreeTo(this.folder.account, this.dataFolder);
    const passwordFile = await writeServerFile(this.folder, 'password', password);
    try {
      const argv = [
        '-D',
        this.dataFolder,
        '-U',
        'postgres',
        '--pwfile',
        passwordFile,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ];
      await runServerProgram(this.programs, 'initdb', argv);
    } finally {
      await unlink(passwordFile);
    }
  }
}

async function majorOf(dataFolder: string): Promise<number> {
  const text = await readFile(join(dataFolder, 'PG_VERSION'), 'utf8').catch((cause: unknown) => {
    throw new RahatError('restore_failed', `${dataFolder} is not a data directory of PostgreSQL`, { cause });
  });
  return parseInt(text, 10);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((listening, failed) => probe.once('error', failed).listen(0, '127.0.0.1', listening));
  const address = probe.address();
  await new Promise((closed) => probe.close(closed));
  if (address === null || typeof address === 'string') throw new RahatError('internal', 'No free port was given');
  return address.port;
}
