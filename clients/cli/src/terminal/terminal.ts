/** stdout carries data, stderr carries talk (clig.dev); colours and live lines only on a terminal. */
export interface Terminal {
  readonly json: boolean;
  /** The command's result: an envelope on one line with --json, else `text`. */
  result(data: unknown, text: string): void;
  say(line: string): void;
  /** Overwrites itself on a terminal; elsewhere at most one line in ten seconds. */
  progress(line: string): void;
  progressEnd(): void;
  paint(colour: Colour, text: string): string;
}

export type Colour = 'green' | 'yellow' | 'red' | 'dim' | 'bold';
const CODES: Record<Colour, number> = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 };
const PLAIN_PROGRESS_INTERVAL_MS = 10_000;

export function openTerminal(options: { json: boolean; colour: boolean }): Terminal {
  const live = Boolean(process.stderr.isTTY) && !options.json;
  const colours = options.colour && Boolean(process.stdout.isTTY) && !process.env['NO_COLOR'];
  let liveLine = false;
  let lastPlain = 0;

  const progressEnd = () => {
    if (liveLine) process.stderr.write('\r\x1b[K');
    liveLine = false;
  };
  return {
    json: options.json,
    result(data, text) {
      progressEnd();
      process.stdout.write(options.json ? `${JSON.stringify({ ok: true, data })}\n` : text === '' ? '' : `${text}\n`);
    },
    say(line) {
      progressEnd();
      process.stderr.write(`${line}\n`);
    },
    progress(line) {
      if (live) {
        process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 100) - 1)}`);
        liveLine = true;
      } else if (Date.now() - lastPlain >= PLAIN_PROGRESS_INTERVAL_MS) {
        lastPlain = Date.now();
        process.stderr.write(`${line}\n`);
      }
    },
    progressEnd,
    paint: (colour, text) => (colours ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text),
  };
}
