import { RahatError } from '@rahat/contracts';
import type { SelfBackup } from '../first-act/self-backup.js';
import { openConsole, type HumanConsole } from './human-console.js';

/** What runs in a terminal until Ctrl+C. */
export interface ForegroundPlatform {
  /** While there is no owner. */
  setupUrl?: string;
  /** Absent when the metadata database is one of the operator's own, which is theirs to protect. */
  protect?: () => Promise<SelfBackup>;
  /** Drains; PostgreSQL ends last. */
  stop(): Promise<void>;
}

/** Starts, shows, proves its own backup, and stops at a signal: the first one drains, the second one leaves at once. */
export async function runInForeground<P extends ForegroundPlatform>(
  start: (out: HumanConsole) => Promise<P>,
  show: (out: HumanConsole, platform: P) => void,
): Promise<void> {
  const out = openConsole((text) => process.stdout.write(text));
  const stopping = new AbortController();
  let platform: P | undefined;

  const stopOrLeave = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping.abort();
    if (platform) void stop(platform, out);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopOrLeave(signal));
  // `npm start` holds this channel; when it was killed, nobody is left to press Ctrl+C.
  process.on('disconnect', () => stopOrLeave('SIGTERM'));

  try {
    platform = await start(out);
    show(out, platform);
    if (stopping.signal.aborted) await stop(platform, out);
    else await proveOurselves(platform, out, stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) giveUp(error);
  }
}

async function stop(running: ForegroundPlatform, out: HumanConsole): Promise<void> {
  out.line('\nStopping: running work is finished or handed back, PostgreSQL ends last. Ctrl+C again leaves at once.');
  try {
    await running.stop();
    out.line('Stopped.');
    process.exit(0);
  } catch (error) {
    giveUp(error);
  }
}

async function proveOurselves(running: ForegroundPlatform, out: HumanConsole, stopping: AbortSignal): Promise<void> {
  if (!running.protect) {
    if (running.setupUrl) out.attention('the metadata database of DATABASE_URL is yours to protect: npx rahat-backup server add');
    return;
  }
  try {
    const protection = await running.protect();
    if (protection.passphraseFile)
      out.attention(`passphrase of the local repository: ${protection.passphraseFile}`, 'write it down: it opens the backups without us');
    const { seconds, alreadyProven } = await protection.proven(stopping);
    if (!alreadyProven) out.done(`protected itself: the metadata database, proven by a test restore in ${seconds.toFixed(0)} s`);
  } catch (error) {
    if (stopping.aborted) return;
    const { message, hint } = RahatError.from(error);
    out.failed(`did not prove its own backup: ${sentence(message)}${hint ? ` ${hint}` : ''}`);
  }
}

function giveUp(error: unknown): never {
  const { code, message, hint, stack } = RahatError.from(error);
  process.stderr.write(`\n✗ ${sentence(message)}${hint ? ` ${hint}` : ''}\n`);
  // What we didn't foresee needs its place in the code; what we did needs only its sentence.
  if (code === 'internal') process.stderr.write(`${error instanceof Error ? error.stack : stack}\n`);
  process.exit(1);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
