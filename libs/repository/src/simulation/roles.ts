import type { ReadSession, WriteSession } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import type { ReportedSnapshot } from './ledger.js';
import {
  collectGarbage,
  commitSnapshot,
  findSomeSnapshot,
  readSnapshot,
  removeLogs,
  tolerating,
  trashSnapshot,
  undoRemoval,
  writeContent,
  type FoundSnapshot,
} from './work.js';
import type { Stage } from './world.js';

/** Under which several workers commit. */
export const SHARED_NAME = 'same';

/** One process in a scene, which does its steps when it is told to. A step of which the world made nothing leaves the rest undone. */
export abstract class Role {
  constructor(readonly stage: Stage) {}

  /** Resolves also when the process has died. */
  protected async perform(step: () => Promise<unknown>): Promise<void> {
    const { machine, world } = this.stage;
    const done = step().catch((error: unknown) => world.ledger.violate(`A role failed: ${String((error as Error).stack)}`));
    await Promise.race([done, machine.death]);
  }
}

export class WriterRole extends Role {
  private session: WriteSession | undefined;
  private object: StoredObject | undefined;

  constructor(
    stage: Stage,
    private content: Buffer,
    public id = `backup_${stage.world.nextNumber()}`,
  ) {
    super(stage);
  }

  readonly begin = (): Promise<void> =>
    this.perform(() => tolerating(this.stage, async () => (this.session = await this.stage.repository.beginWriting({ writer: 'worker' }))));

  readonly write = (): Promise<void> =>
    this.perform(async () => {
      const { session } = this;
      if (session) await tolerating(this.stage, async () => (this.object = await writeContent(this.stage, session, this.content)));
    });

  readonly commit = (): Promise<void> =>
    this.perform(async () => {
      const { session, object, id, content } = this;
      if (!session || !object) return;
      // Somebody else may have committed another content under this name.
      const isFine = (code: string): boolean => code === 'conflict' && id === SHARED_NAME;
      await tolerating(this.stage, () => commitSnapshot(this.stage, session, object, { id, content }), isFine);
    });

  /** One more snapshot in the same session. */
  async next(content: Buffer, id: string): Promise<void> {
    Object.assign(this, { content, id });
    await this.write();
    await this.commit();
  }

  readonly close = (): Promise<void> =>
    this.perform(async () => {
      const { session } = this;
      this.session = undefined;
      await session?.[Symbol.asyncDispose]();
    });

  get steps(): (() => Promise<void>)[] {
    return [this.begin, this.write, this.commit, this.close];
  }
}

export class ReaderRole extends Role {
  private session: ReadSession | undefined;
  private sinceMs = 0;
  private found: FoundSnapshot | undefined;

  readonly begin = (): Promise<void> =>
    this.perform(() =>
      tolerating(this.stage, async () => {
        this.session = await this.stage.repository.beginReading();
        this.sinceMs = this.stage.world.timeline.nowMs;
      }),
    );

  find(wanted?: ReportedSnapshot): Promise<void> {
    return this.perform(async () => (this.found = await findSomeSnapshot(this.stage, wanted)));
  }

  readonly read = (): Promise<void> =>
    this.perform(async () => {
      if (this.session && this.found) await readSnapshot(this.stage, this.session, this.found, this.sinceMs);
    });

  readonly close = (): Promise<void> => this.perform(async () => this.session?.[Symbol.asyncDispose]());

  get steps(): (() => Promise<void>)[] {
    return [this.begin, () => this.find(), this.read, this.close];
  }
}

export class CollectorRole extends Role {
  readonly collect = (): Promise<void> => this.perform(() => collectGarbage(this.stage));
}

export class RetentionRole extends Role {
  trash(chosen: ReportedSnapshot): Promise<void> {
    return this.perform(() => trashSnapshot(this.stage, chosen));
  }

  undo(chosen: ReportedSnapshot): Promise<void> {
    return this.perform(() => undoRemoval(this.stage, chosen));
  }

  removeLogsBefore(stream: string, position: string): Promise<void> {
    return this.perform(() => removeLogs(this.stage, stream, position));
  }
}
