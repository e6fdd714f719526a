import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { RahatError, type Finding } from '@rahat/contracts';
import { openSecretFile } from './secret-file.js';
import { ToolMessages, type LineClassifier } from './tool-messages.js';

export interface ToolCall {
  program: string;
  /** Never a secret; user text only as `--option=value`, so that it can't become an option. */
  args: readonly string[];
  /** Never a secret. The tool gets these, PATH and LC_ALL=C, and nothing of our own environment. */
  env?: Record<string, string>;
  /** Contents that the tool reads as `/dev/fd/3`, `/dev/fd/4`, … */
  secretFiles?: readonly string[];
  /** Texts that must not show up in the tool's messages. */
  secrets?: readonly string[];
  /** Some pieces wait here for the tool to take them, so they are not to be lent. */
  stdin?: AsyncIterable<Uint8Array>;
  classify?: LineClassifier;
  scratchFolder: string;
  signal: AbortSignal;
}

export interface ToolExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Code 0, no signal, and all of `stdin` was taken or the tool ended without needing it. */
  clean: boolean;
  /** Redacted and bounded. */
  stderr: string;
  cause: string | undefined;
  findings: Finding[];
  /** What went wrong in reading `stdin`'s source; the tool is not to blame then. */
  stdinError?: unknown;
}

export interface ToolRun extends AsyncDisposable {
  /** Pulled: a reader that waits makes the tool wait. Ends at the tool's end of output; only `exit` tells whether that was good. */
  readonly stdout: AsyncIterable<Buffer>;
  /** Resolves after the process and all its output have ended; never rejects. */
  readonly exit: Promise<ToolExit>;
  readonly pid: number;
  /** Ends the tool's whole process group, politely first. */
  stop(): Promise<ToolExit>;
}

const GRACE_MS = 5_000;

/** Starts a tool without a shell, in a process group of its own (engines.md §2). Disposing stops it if it still runs. */
export async function runTool(call: ToolCall): Promise<ToolRun> {
  call.signal.throwIfAborted();
  const secretFiles = (call.secretFiles ?? []).map((content) => openSecretFile(content, call.scratchFolder));
  const messages = new ToolMessages(call.secrets ?? [], call.classify);
  let child: ChildProcess;
  try {
    child = spawn(call.program, call.args, {
      shell: false,
      detached: true,
      stdio: [call.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', ...secretFiles.map((file) => file.descriptor)],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', ...call.env },
      cwd: call.scratchFolder,
    });
    await once(child, 'spawn');
  } catch (error) {
    throw new RahatError('tool_failed', `Could not start ${call.program}: ${error instanceof Error ? error.message : String(error)}`, {
      hint: 'Check that the program exists and may be executed by the worker.',
      cause: error,
      retryable: false,
    });
  } finally {
    // The child has its own descriptors now.
    for (const file of secretFiles) file[Symbol.dispose]();
  }

  const { stdout, stderr, stdin } = child;
  if (!stdout || !stderr || child.pid === undefined) throw new RahatError('internal', `${call.program} was started without pipes`);
  stderr.setEncoding('utf8').on('data', (text: string) => messages.add(text));
  const feeding = call.stdin && stdin ? feed(call.stdin, stdin) : Promise.resolve(undefined);
  const exit = new Promise<ToolExit>((resolve) => {
    child.once('close', (code, signal) => {
      messages.end();
      void feeding.then((stdinError) =>
        resolve({
          code,
          signal,
          clean: code === 0 && signal === null && stdinError === undefined,
          stderr: messages.text,
          cause: messages.cause,
          findings: messages.findings,
          stdinError,
        }),
      );
    });
  });

  let stopping: Promise<ToolExit> | undefined;
  const stop = (): Promise<ToolExit> => (stopping ??= stopGroup(child, stdout, exit));
  const onAbort = (): void => void stop();
  call.signal.addEventListener('abort', onAbort, { once: true });
  void exit.then(() => call.signal.removeEventListener('abort', onAbort));
  if (call.signal.aborted) onAbort();
  return { stdout, exit, pid: child.pid, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

/** Gives the error of the source, if it had one. A tool that closes its input early is judged by its exit, not here. */
async function feed(source: AsyncIterable<Uint8Array>, stdin: NodeJS.WritableStream): Promise<unknown> {
  let sourceError: unknown;
  async function* watched(): AsyncGenerator<Uint8Array> {
    const pieces = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Only this await: a tool that is gone throws into the generator too, at the `yield`.
        const next = await pieces.next().catch((error: unknown) => {
          sourceError = error;
          throw error;
        });
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await pieces.return?.();
    }
  }
  await pipeline(Readable.from(watched(), { objectMode: true, highWaterMark: 2 }), stdin).catch(() => undefined);
  return sourceError;
}

/** `exit` waits for every process that holds the tool's output, so a child that the tool left behind is ended too. */
async function stopGroup(child: ChildProcess, stdout: Readable, exit: Promise<ToolExit>): Promise<ToolExit> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    const timer = new AbortController();
    // The first look is only whether it has ended by itself.
    const ended = await Promise.race([
      exit.then(() => true),
      delay(signal === 'SIGINT' ? 0 : GRACE_MS, false, { signal: timer.signal, ref: false }).catch(() => false),
    ]);
    timer.abort();
    if (ended) return exit;
    killGroup(child, signal);
    // What is left in the pipe has no reader any more.
    stdout.destroy();
  }
  return exit;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
