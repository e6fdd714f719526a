import type { Finding } from '@rahat/contracts';

const KEPT_BYTES = 64 * 1024;

/** What to do with one line of a tool's stderr. `drop` is for lines that may hold row data. */
export type LineClassifier = (line: string) => Finding | 'drop' | undefined;

/** A tool's stderr: bounded (first and last 64 KB), without secrets, classified line by line as it comes. */
export class ToolMessages {
  readonly findings: Finding[] = [];
  readonly #first: string[] = [];
  readonly #last: string[] = [];
  #dropped = false;
  #firstLength = 0;
  #lastLength = 0;
  #open = '';
  readonly #secrets: string[];

  constructor(
    secrets: readonly string[],
    private readonly classify: LineClassifier = () => undefined,
  ) {
    // Longest first: a secret that contains another must go as a whole.
    this.#secrets = secrets.filter((secret) => secret !== '').sort((left, right) => right.length - left.length);
  }

  add(text: string): void {
    const lines = (this.#open + text).split('\n');
    this.#open = (lines.pop() ?? '').slice(-KEPT_BYTES);
    for (const line of lines) this.#line(line);
  }

  end(): void {
    if (this.#open !== '') this.#line(this.#open);
    this.#open = '';
  }

  get text(): string {
    return [...this.#first, ...(this.#dropped ? ['…'] : []), ...this.#last].join('\n');
  }

  /** The line that most likely says the cause. */
  get cause(): string | undefined {
    const lines = this.text.split('\n').filter((line) => line.trim() !== '');
    return lines.find((line) => /\b(error|fatal|panic)\b/i.test(line)) ?? lines.at(-1);
  }

  #line(raw: string): void {
    if (raw === '') return;
    let line = raw;
    for (const secret of this.#secrets) line = line.replaceAll(secret, '***');
    const verdict = this.classify(line);
    if (verdict === 'drop') return;
    if (verdict && this.findings.length < 1000) this.findings.push(verdict);
    if (this.#firstLength + line.length < KEPT_BYTES && this.#last.length === 0) {
      this.#first.push(line);
      this.#firstLength += line.length + 1;
      return;
    }
    this.#last.push(line.slice(0, KEPT_BYTES));
    this.#lastLength += line.length + 1;
    while (this.#lastLength > KEPT_BYTES && this.#last.length > 1) {
      this.#lastLength -= (this.#last.shift()?.length ?? 0) + 1;
      this.#dropped = true;
    }
  }
}
