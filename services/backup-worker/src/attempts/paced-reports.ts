import type { ExecutionProgress, LogLevel } from '@rahat/execution';
import type { FromChild, LogLine } from './child-messages.js';

const LONGEST_LINE = 4_000;
const LINES_AT_ONCE = 200;
/** Lines of one interval beyond this are counted, not kept: a tool that floods its messages floods nothing else. */
const LINES_KEPT = 1_000;

/** Collects what a run tells and passes it on at most once per interval: the newest progress, and the lines since. */
export class PacedReports {
  private progress: ExecutionProgress | undefined;
  private lines: LogLine[] = [];
  private dropped = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly send: (message: FromChild) => void,
    private readonly intervalMs: number,
  ) {}

  readonly onProgress = (progress: ExecutionProgress): void => {
    this.progress = progress;
    this.schedule();
  };

  readonly onLog = (level: LogLevel, message: string): void => {
    if (this.lines.length >= LINES_KEPT) this.dropped += 1;
    else this.lines.push({ at: new Date().toISOString(), level, message: message.slice(0, LONGEST_LINE) });
    this.schedule();
  };

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.dropped > 0)
      this.lines.push({ at: new Date().toISOString(), level: 'warning', message: `${this.dropped} more lines were left out` });
    for (let start = 0; start < this.lines.length; start += LINES_AT_ONCE)
      this.send({ type: 'log', lines: this.lines.slice(start, start + LINES_AT_ONCE) });
    if (this.progress) this.send({ type: 'progress', progress: this.progress });
    this.lines = [];
    this.dropped = 0;
    this.progress = undefined;
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => this.flush(), this.intervalMs);
  }
}
