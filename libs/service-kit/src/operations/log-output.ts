import { pino, type DestinationStream } from 'pino';

/** Of the lines that wait, what a pipe takes in one piece. */
const MOST_WAITING = 4_096;
const LONGEST_WAIT_MS = 100;
const WARN = 40;
/** Asks pino to tell the level of each line. */
const TELL_LEVEL = Symbol.for('pino.metadata');

/**
 * Each request has its line in each process, and a write of its own would take longer than to make it. What went well waits a moment for
 * others; what somebody has to look at is written at once, with all before it, and what waits when the process leaves by itself then.
 */
export function waitingOutput(write: (lines: string) => void): DestinationStream {
  let lines = '';
  let waiting: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(waiting);
    waiting = undefined;
    if (lines !== '') write(lines);
    lines = '';
  };
  process.once('exit', flush);
  const output = {
    [TELL_LEVEL]: true,
    lastLevel: 0,
    write(line: string): void {
      lines += line;
      if (output.lastLevel >= WARN || lines.length >= MOST_WAITING) flush();
      else waiting ??= setTimeout(flush, LONGEST_WAIT_MS).unref();
    },
  };
  return output;
}

let standardOutput: DestinationStream | undefined;

/** One for all loggers of the process, so that lines keep their order. */
export function openStandardOutput(): DestinationStream {
  if (standardOutput) return standardOutput;
  const destination = pino.destination({ dest: 1, sync: true });
  return (standardOutput = waitingOutput((lines) => destination.write(lines)));
}
