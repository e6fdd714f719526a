import path from 'node:path';
import { createInterface } from 'node:readline';
import { embeddedToolFolders, type Inspection } from '@rahat/execution';
import { RahatError } from '@rahat/contracts';
import { visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { inspectStep, STEPS_HELP } from './inspect-step.js';
import { offlineProgress } from './offline-progress.js';
import { openOffline, type KitOpening } from './open-offline.js';
import { recoveryOf, type RecoveryOptions } from './recovery-options.js';

export interface InspectOptions extends KitOpening, Omit<RecoveryOptions, 'server'> {
  snapshot: string;
  folder: string;
  stream?: string;
  user: string;
}

/** In the foreground: the server is there for as long as the command runs. */
export async function inspectServer(terminal: Terminal, options: InspectOptions): Promise<void> {
  const { snapshot, timeline, stream, user } = options;
  const [target, folder] = [recoveryOf(options), path.resolve(options.folder)];
  const repository = await openOffline(options);
  const signal = untilInterrupted('Cancelled; nothing was left.', ['SIGTERM', 'SIGHUP']);
  const execution = {
    signal,
    toolFolders: embeddedToolFolders(),
    onProgress: offlineProgress(terminal),
    onLog: (level: string, message: string) => level !== 'info' && terminal.say(`${level}: ${message}`),
  };
  const promoted = await repository.inspect(
    { snapshot, folder, user, target, timeline, stream },
    (inspection) => lookAt(terminal, inspection, folder, signal),
    execution,
  );
  if (!promoted) terminal.result({ state: 'removed', folder }, `The server ended, and ${visible(folder)} was removed.`);
}

/** Until it is promoted (true), or until somebody has enough of it. */
async function lookAt(terminal: Terminal, inspection: Inspection, folder: string, signal: AbortSignal): Promise<boolean> {
  tellWaiting(terminal, inspection, folder);
  for (const { message } of inspection.findings) terminal.say(visible(message));
  const events = new Typed(inspection, signal);
  try {
    for (;;) {
      const line = await events.next();
      const outcome = line === undefined ? 'quit' : await carryOut(terminal, inspection, line, folder);
      if (outcome !== 'waiting') return outcome === 'promoted';
    }
  } finally {
    events.close();
  }
}

async function carryOut(
  terminal: Terminal,
  inspection: Inspection,
  line: string,
  folder: string,
): Promise<'waiting' | 'promoted' | 'quit'> {
  if (line.trim() === '') return 'waiting';
  try {
    const step = inspectStep(line);
    if (step.kind === 'quit') return 'quit';
    if (step.kind === 'promote') {
      await inspection.promote();
      terminal.result({ state: 'promoted', folder, recovery: inspection.reached }, promotedInWords(inspection, folder));
      return 'promoted';
    }
    await inspection.advance(step.target);
    tellWaiting(terminal, inspection, folder);
  } catch (error) {
    const { code, message, hint } = RahatError.from(error);
    // Nothing has happened to the server.
    if (code !== 'invalid_input' && code !== 'recovery_target_unreachable') throw error;
    terminal.say([message, hint].filter(Boolean).join('\n  → '));
  }
  return 'waiting';
}

function tellWaiting(terminal: Terminal, { snapshot, version, connection, reached }: Inspection, folder: string): void {
  const { host, port, user } = connection;
  const last = reached.lastTransactionAt === undefined ? '' : `, its last transaction is of ${reached.lastTransactionAt}`;
  terminal.result(
    { state: 'waiting', snapshot, folder, version, connection: { host, port, user }, recovery: reached },
    [
      `PostgreSQL ${version} waits at ${reached.reachedLsn} of timeline ${reached.timeline}${last}. It can be read, by this account of the system:`,
      `  psql 'host=${host} port=${port} user=${user} dbname=postgres'`,
      `Type ${STEPS_HELP} (so does Ctrl+C).`,
    ].join('\n'),
  );
}

function promotedInWords({ version, reached }: Inspection, folder: string): string {
  return [
    `${visible(folder)} is a server of its own now, as it was at ${reached.reachedLsn}, on a new timeline. It has ended. It archives nothing,`,
    `follows nobody and takes over no subscription. As the account that the folder belongs to, with the programs of PostgreSQL ${parseInt(version, 10)}:`,
    `  pg_ctl -D '${folder}' -w start`,
    'It has the settings, the users and the pg_hba.conf of its source: give it a port of its own (-o "-p 5433") beside that one.',
  ].join('\n');
}

/** Lines as they are typed, the end of the server, and the wish to end. A script without input looks until it is told to end. */
class Typed {
  private readonly lines = createInterface({ input: process.stdin, terminal: false });
  private readonly waiting: string[] = [];
  private tell: () => void = () => undefined;
  private ended = false;
  private failure?: RahatError;

  constructor(inspection: Inspection, signal: AbortSignal) {
    this.lines.on('line', (line) => this.heard(() => this.waiting.push(line)));
    if (process.stdin.isTTY) this.lines.once('close', () => this.heard(() => (this.ended = true)));
    signal.addEventListener('abort', () => this.heard(() => (this.ended = true)), { once: true });
    void inspection.lost.then(() =>
      this.heard(() => (this.failure = new RahatError('source_lost', 'The server that was looked at ended by itself, and was removed.'))),
    );
  }

  /** Undefined when nothing comes any more. */
  async next(): Promise<string | undefined> {
    for (;;) {
      if (this.failure) throw this.failure;
      if (this.ended) return undefined;
      const line = this.waiting.shift();
      if (line !== undefined) return line;
      await new Promise<void>((heard) => (this.tell = heard));
    }
  }

  close(): void {
    this.lines.close();
    process.stdin.unref?.();
  }

  private heard(change: () => unknown): void {
    change();
    this.tell();
  }
}
