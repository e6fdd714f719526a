import { open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

export const UNDO_PHASES = ['delete', 'update', 'insert'] as const;
export type UndoPhase = (typeof UNDO_PHASES)[number];

const WRITE_BYTES = 512 * 1024;
const READ_BYTES = 1024 * 1024;

/** SQL of one table, kept in the private scratch folder until the order of all tables is known. */
export class UndoSpool {
  #text: Record<UndoPhase, string> = { delete: '', update: '', insert: '' };
  readonly #files = new Map<UndoPhase, FileHandle>();
  readonly #written = new Set<UndoPhase>();

  constructor(
    private readonly folder: string,
    private readonly number: number,
  ) {}

  add(phase: UndoPhase, sql: string): void {
    this.#text[phase] += sql;
  }

  get full(): boolean {
    return UNDO_PHASES.some((phase) => this.#text[phase].length >= WRITE_BYTES);
  }

  async flush(): Promise<void> {
    for (const phase of UNDO_PHASES) {
      const text = this.#text[phase];
      if (text === '') continue;
      this.#text[phase] = '';
      let file = this.#files.get(phase);
      if (!file) {
        file = await open(this.#pathOf(phase), 'ax', 0o600);
        this.#files.set(phase, file);
        this.#written.add(phase);
      }
      await file.appendFile(Buffer.from(text, 'latin1'));
    }
  }

  /** All of the table was written. */
  async close(): Promise<void> {
    await this.flush();
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }

  has(phase: UndoPhase): boolean {
    return this.#written.has(phase);
  }

  async *read(phase: UndoPhase): AsyncGenerator<Buffer> {
    if (!this.has(phase)) return;
    const file = await open(this.#pathOf(phase), 'r');
    try {
      for (let at = 0; ;) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async remove(): Promise<void> {
    await this.close();
    for (const phase of this.#written) await rm(this.#pathOf(phase), { force: true });
  }

  #pathOf(phase: UndoPhase): string {
    return path.join(this.folder, `undo-${this.number}-${phase}.sql`);
  }
}
