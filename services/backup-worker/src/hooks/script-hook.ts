import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { RahatError, type HookInput } from '@rahat/contracts';
import type { HookFacts } from './hooks.js';

export interface ScriptPlace {
  /** Only what lies here, and is no link out of here, may run. */
  folder: string;
  /** Working directory: the attempt's own scratch folder, in which nothing outlives the attempt. */
  scratchFolder: string;
}

const KEPT_BYTES = 65_536;
const KEPT_LINES = 200;
const GRACE_MS = 5_000;

/** Without a shell, with an environment of its own, in a process group of its own. Success is exit code 0 in time. */
export async function runScript(
  place: ScriptPlace | undefined,
  hook: Extract<HookInput, { kind: 'script' }>,
  facts: HookFacts,
  signal: AbortSignal,
): Promise<string[]> {
  const program = await allowedScript(place, hook.script);
  signal.throwIfAborted();
  const child = spawn(program, hook.args, {
    cwd: place!.scratchFolder,
    env: environmentOf(facts),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = new Output();
  child.stdout.on('data', (piece: Buffer) => output.add(piece));
  child.stderr.on('data', (piece: Buffer) => output.add(piece));
  const late = AbortSignal.timeout(hook.timeoutSeconds * 1000);
  const stop = AbortSignal.any([signal, late]);
  let forced: NodeJS.Timeout | undefined;
  const end = () => {
    kill(child.pid, 'SIGTERM');
    forced = setTimeout(() => kill(child.pid, 'SIGKILL'), GRACE_MS);
  };
  stop.addEventListener('abort', end, { once: true });
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal.aborted) throw RahatError.from(signal.reason);
    if (late.aborted) throw new RahatError('hook_failed', `it did not end within ${hook.timeoutSeconds} s`);
    if (code !== 0)
      throw new RahatError('hook_failed', [`it ended with ${killedBy ?? `code ${code}`}`, ...output.lines().slice(-5)].join('\n'));
    return output.lines();
  } catch (error) {
    if (error instanceof RahatError) throw error;
    throw new RahatError('hook_failed', `it could not be started: ${(error as Error).message}`, { retryable: false, cause: error });
  } finally {
    stop.removeEventListener('abort', end);
    clearTimeout(forced);
    // What it left in the background would outlive the attempt.
    kill(child.pid, 'SIGKILL');
  }
}

async function allowedScript(place: ScriptPlace | undefined, name: string): Promise<string> {
  if (!place)
    throw new RahatError('hook_failed', 'this worker allows no scripts', {
      retryable: false,
      hint: 'Set RAHAT_WORKER_HOOKS_DIR of the worker.',
    });
  const wanted = path.join(place.folder, name);
  try {
    const folder = await realpath(place.folder);
    const facts = await lstat(wanted);
    // A link could lead anywhere, and a file that others may write is anybody's program.
    if (path.basename(name) !== name || !facts.isFile() || (await realpath(wanted)) !== path.join(folder, name))
      throw new Error('it is no plain file of the hooks folder');
    if ((facts.mode & 0o002) !== 0) throw new Error('everybody may write it');
    await access(wanted, constants.X_OK);
    return wanted;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'it is not in the hooks folder of the worker' : code === 'EACCES' ? 'it is not executable' : message;
    throw new RahatError('hook_failed', `the script '${name}' may not run: ${reason}`, { retryable: false });
  }
}

/** Nothing of the worker's environment but where programs are found. */
function environmentOf(facts: HookFacts): NodeJS.ProcessEnv {
  const { PATH, TZ, LANG } = process.env;
  const told = {
    RAHAT_EVENT: facts.event,
    RAHAT_RUN: facts.run,
    RAHAT_ATTEMPT: String(facts.attempt),
    RAHAT_SERVER: facts.server,
    RAHAT_DATABASE: facts.database ?? '',
    RAHAT_OUTCOME: facts.outcome ?? '',
  };
  // A NUL would end the value early, and with it what the script checks.
  return Object.fromEntries(
    Object.entries({ PATH, TZ, LANG, ...told }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value.replaceAll('\0', '\uFFFD')]],
    ),
  );
}

class Output {
  private readonly pieces: Buffer[] = [];
  private size = 0;

  add(piece: Buffer): void {
    if (this.size < KEPT_BYTES) this.pieces.push(piece.subarray(0, KEPT_BYTES - this.size));
    this.size += piece.length;
  }

  lines(): string[] {
    const lines = Buffer.concat(this.pieces)
      .toString('utf8')
      .split(/\r?\n/)
      .filter((line) => line !== '');
    const kept = lines.slice(0, KEPT_LINES);
    return this.size > KEPT_BYTES || lines.length > kept.length ? [...kept, '… the rest of the output was left out'] : kept;
  }
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}
