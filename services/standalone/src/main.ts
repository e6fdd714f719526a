import 'reflect-metadata';
import { RahatError } from '@rahat/contracts';
import { loadConfig } from '@rahat/service-kit';
import { standaloneConfig } from './config.js';
import { showBanner } from './console/banner.js';
import { openConsole, type HumanConsole } from './console/human-console.js';
import { startPlatform, type Platform } from './platform.js';

const out = openConsole((text) => process.stdout.write(text));
const stopping = new AbortController();
let platform: Platform | undefined;

process.on('SIGINT', () => stopOrLeave('SIGINT'));
process.on('SIGTERM', () => stopOrLeave('SIGTERM'));
process.on('SIGHUP', () => stopOrLeave('SIGHUP'));
// `npm start` holds this channel; when it was killed, nobody is left to press Ctrl+C.
process.on('disconnect', () => stopOrLeave('SIGTERM'));

try {
  const config = loadConfig(standaloneConfig, process.env);
  platform = await startPlatform(config, process.env);
  showBanner(out, platform, config, process.uptime());
  if (stopping.signal.aborted) await stop(platform);
  else await proveOurselves(platform, out);
} catch (error) {
  if (!stopping.signal.aborted) giveUp(error);
}

/** The first signal drains, the second one leaves at once. */
function stopOrLeave(signal: NodeJS.Signals): void {
  if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
  stopping.abort();
  if (!platform) return;
  void stop(platform);
}

async function stop(running: Platform): Promise<void> {
  out.line('\nStopping: running work is finished or handed back, PostgreSQL ends last. Ctrl+C again leaves at once.');
  try {
    await running.stop();
    out.line('Stopped.');
    process.exit(0);
  } catch (error) {
    giveUp(error);
  }
}

async function proveOurselves(running: Platform, console: HumanConsole): Promise<void> {
  if (!running.protect) {
    if (running.setupUrl) console.attention('the metadata database of DATABASE_URL is yours to protect: npx rahat-backup server add');
    return;
  }
  try {
    const protection = await running.protect();
    if (protection.passphraseFile)
      console.attention(
        `passphrase of the local repository: ${protection.passphraseFile}`,
        'write it down: it opens the backups without us',
      );
    const { seconds, alreadyProven } = await protection.proven(stopping.signal);
    if (!alreadyProven) console.done(`protected itself: the metadata database, proven by a test restore in ${seconds.toFixed(0)} s`);
  } catch (error) {
    if (stopping.signal.aborted) return;
    const { message, hint } = RahatError.from(error);
    console.failed(`did not prove its own backup: ${sentence(message)}${hint ? ` ${hint}` : ''}`);
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
