import { join } from 'node:path';
import type { PostgresqlConnection } from '@rahat/contracts';
import { replayedLimits } from './control-file.js';
import { giveTreeTo } from './server-account.js';
import { refuseUnreachable, serverArguments, trustOwnSocket } from './server-arguments.js';
import type { ServerBinaries } from './server-binaries.js';
import { type Programs, ServerProcess } from './server-process.js';
import type { ThrowawayFolder } from './throwaway-folder.js';
import { throwawaySettings } from './throwaway-settings.js';

interface StandbyOptions {
  folder: ThrowawayFolder;
  binaries: ServerBinaries;
  /** With recovery's orders; the server's own files are beside it in `folder`. */
  dataFolder: string;
  /** A role of the source's that may log in. */
  user: string;
  signal: AbortSignal;
  onReplay?: (segment: string) => void;
}

/** Only a name within the socket's folder, where nothing else listens: people type it. */
const PORT = 5432;
/** Without a sign of replay. */
const SILENCE_MS = 30 * 60_000;
/** What was recovered is put on disk before the server ends. */
const CHECKPOINT_MS = 10 * 60_000;
/** What is left has to be as safe as a restored folder. */
const DURABLE = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', wal_level: 'replica' };

/**
 * A server on a restored folder that recovers up to the orders there and goes no further by itself. It is private as a throwaway is,
 * but what it writes is kept: the folder may be left to somebody.
 */
export class StandbyServer {
  private process?: ServerProcess;

  private constructor(
    private readonly options: StandbyOptions,
    private readonly programs: Programs,
  ) {}

  static async prepare(options: StandbyOptions): Promise<StandbyServer> {
    const { folder, binaries, signal } = options;
    await refuseUnreachable(folder, binaries.binFolder, 'programs');
    await trustOwnSocket(folder);
    return new StandbyServer(options, { binaries, account: folder.account, logFile: join(folder.path, 'server.log'), signal });
  }

  get connection(): PostgresqlConnection {
    const { folder, user } = this.options;
    return { host: folder.socketFolder, port: PORT, user, password: '', maintenanceDatabase: 'postgres', tls: 'disable' };
  }

  /** Of the server that is there now; it is another one after each of the following. */
  get gone(): Promise<void> {
    return this.process?.gone ?? Promise.resolve();
  }

  /** Whether the one that is there now was told to end. */
  get ending(): boolean {
    return this.process?.ending ?? true;
  }

  /**
   * Up to the target, and waits there, to be read by whoever comes through the socket. It gets there unseen first: what it has to
   * provide to be read is known for certain only then, and a server that can't provide it would end, or open itself for writing.
   */
  async recoverAndWait(): Promise<void> {
    const { folder, dataFolder } = this.options;
    await this.stop();
    await giveTreeTo(folder.account, dataFolder);
    await ServerProcess.runToEnd(
      this.programs,
      dataFolder,
      await this.argv({ hot_standby: 'off', recovery_target_action: 'shutdown' }),
      this.patience,
    );
    await this.start({ hot_standby: 'on', recovery_target_action: 'pause' });
  }

  /** Opens it for writing where it waits, on a timeline of its own. */
  async promote(): Promise<void> {
    await this.stop();
    await this.start({ hot_standby: 'off', recovery_target_action: 'promote' });
  }

  /** Time enough to put everything on disk. */
  async stop(): Promise<void> {
    await this.process?.stop(CHECKPOINT_MS);
  }

  /** Of a server whose files nobody wants. */
  async discard(): Promise<void> {
    await this.process?.stop(0);
  }

  get endedInOrder(): boolean {
    return this.process?.endedInOrder ?? false;
  }

  private async start(settings: Record<string, string>): Promise<void> {
    this.process = await ServerProcess.start(this.programs, this.options.dataFolder, await this.argv(settings), this.patience);
  }

  private get patience() {
    return { silenceMs: SILENCE_MS, onReplay: this.options.onReplay };
  }

  private async argv(settings: Record<string, string>): Promise<string[]> {
    const { folder, binaries, dataFolder } = this.options;
    const own = { ...throwawaySettings({ port: PORT, socketFolder: folder.socketFolder, tcp: false }, binaries.major), ...DURABLE };
    const limits = Object.entries(await replayedLimits(dataFolder)).map(([name, least]): [string, string] => [
      name,
      String(Math.max(least, Number(own[name as keyof typeof own] ?? 0))),
    ]);
    return serverArguments(folder, { ...own, ...Object.fromEntries(limits), ...settings });
  }
}
