/** What a failure means for who reads it, and the exit code that scripts see. */
const EXIT_CODES = { damaged: 1, failed: 1, usage: 2, passphrase: 3, notFound: 4 } as const;

export type FailureKind = keyof typeof EXIT_CODES;

/** A failure in words. `damaged` names the file of the repository that is missing or isn't what it should be. */
export class ReaderError extends Error {
  readonly kind: FailureKind;
  readonly file: string | undefined;

  constructor(kind: FailureKind, message: string, options: { file?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ReaderError';
    this.kind = kind;
    this.file = options.file;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

export function damaged(file: string, what: string, cause?: unknown): ReaderError {
  return new ReaderError('damaged', `${file}: ${what}`, { file, cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong with a file of the repository. */
export interface Problem {
  file: string;
  message: string;
}

export function problemOf(file: string, error: unknown): Problem {
  const named = error instanceof ReaderError && error.file !== undefined ? error : damaged(file, messageOf(error));
  return { file, message: named.message };
}
