import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

/** At the start a log beyond this size becomes `<name>.1`. */
const ROTATE_BYTES = 50 * 1024 * 1024;

/** The platform's own JSON lines, beside those of the services. */
export interface LogFile {
  readonly path: string;
  /** For writers of whole lines. */
  write(line: string): void;
  warn(fields: object, message: string): void;
  close(): void;
}

/** A file descriptor. */
export function openForAppending(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

export function openLogFile(path: string): LogFile {
  let file: number | undefined = openForAppending(path);
  const write = (line: string) => {
    if (file !== undefined) writeSync(file, line);
  };
  return {
    path,
    write,
    warn: (fields, message) => write(`${JSON.stringify({ level: 40, time: new Date().toISOString(), message, ...readable(fields) })}\n`),
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** An Error has no own enumerable fields and would be written as {}. */
function readable(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? { message: value.message, stack: value.stack } : (value as unknown),
    ]),
  );
}
