import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { processStart, removeLeftovers } from '@rahat/execution';
import { RahatError } from '@rahat/contracts';
import { endProcessesIn } from '../attempts/process-folder.js';

export interface Scratch extends AsyncDisposable {
  path: string;
}

/** `<run>-<attempt>-<pid>-<start>`: the owner is in the name, so that a leftover can be told from a folder in use. */
const SCRATCH_NAME = /^[a-z0-9_]+-\d+-(\d+)-(\d*)$/;

/** Makes the scratch folders of attempts and removes what the dead left: folders, processes in them, throwaway servers. */
export class Janitor {
  private readonly logger = new Logger('backup-worker');

  constructor(private readonly root: string) {}

  async makeScratch(run: string, attempt: number): Promise<Scratch> {
    const path = join(this.root, `${run.replace(/[^a-z0-9_]/g, '')}-${attempt}-${process.pid}-${await processStart(process.pid)}`);
    await this.makeRoot();
    // The same attempt again, after its child died: what is there is dead.
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { mode: 0o700 });
    return {
      path,
      [Symbol.asyncDispose]: () => this.removeScratch(path),
    };
  }

  /** Never throws: what can't be removed now is a leftover for the next start, and no reason to doubt the attempt. */
  private async removeScratch(path: string): Promise<void> {
    try {
      await removeLeftovers(this.root);
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      this.logger.warn(`Could not remove ${path} yet: ${(error as Error).message}`);
    }
  }

  /** Gives the names of the leftovers. Several workers may share the root: a live owner's folders are let alone. */
  async clean(): Promise<string[]> {
    await this.makeRoot();
    const removed = await removeLeftovers(this.root);
    for (const name of await readdir(this.root)) {
      const [, pid, start] = SCRATCH_NAME.exec(name) ?? [];
      if (pid === undefined || (await processStart(Number(pid))) === start) continue;
      const path = join(this.root, name);
      await endProcessesIn(path);
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      removed.push(path);
    }
    return removed;
  }

  private async makeRoot(): Promise<void> {
    try {
      // Passable for all: a throwaway server below runs under an account of its own; its folder is private.
      await mkdir(this.root, { recursive: true, mode: 0o711 });
    } catch (error) {
      throw new RahatError('configuration_invalid', `Could not make the scratch folder ${this.root}: ${(error as Error).message}`, {
        hint: 'Set RAHAT_WORKER_SCRATCH to a folder that the worker may write.',
        cause: error,
      });
    }
  }
}
