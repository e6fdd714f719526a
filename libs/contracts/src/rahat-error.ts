import { ERROR_CATALOGUE, type ErrorCode } from './error-catalogue.js';

export interface RahatErrorOptions {
  /** What to do next, one sentence; never contains a secret. */
  hint?: string;
  cause?: unknown;
  /** Overrides the catalogue's default for this code. */
  retryable?: boolean;
}

/** The JSON shape in which an error crosses a process border. */
export interface SerializedRahatError {
  code: ErrorCode;
  message: string;
  hint?: string;
  retryable: boolean;
}

/** The product's only error family: a stable code, what happened, what to do next, and the cause. */
export class RahatError extends Error {
  readonly hint?: string;
  readonly retryable: boolean;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: RahatErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RahatError';
    this.hint = options.hint ?? ERROR_CATALOGUE[code].hint;
    this.retryable = options.retryable ?? ERROR_CATALOGUE[code].retryable;
  }

  serialize(): SerializedRahatError {
    return { code: this.code, message: this.message, hint: this.hint, retryable: this.retryable };
  }

  static deserialize(error: SerializedRahatError): RahatError {
    return new RahatError(error.code, error.message, { hint: error.hint, retryable: error.retryable });
  }

  /** Gives `error` itself when it already is one of ours, else an `internal` one that keeps it as cause. */
  static from(error: unknown): RahatError {
    if (error instanceof RahatError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new RahatError('internal', message, { cause: error });
  }
}
