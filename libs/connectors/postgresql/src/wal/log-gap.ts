import type { LogGapReason } from '@rahat/contracts';

/** The log can't be had without a gap from where it is kept. */
export class LogGap extends Error {
  constructor(
    readonly gap: LogGapReason,
    message: string,
  ) {
    super(message);
  }
}
