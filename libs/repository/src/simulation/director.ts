import type { ReadSession, WriteSession } from '../repository.js';
import type { StoredObject } from '../snapshots/manifest.js';
import { contentOf, someContent } from './content.js';
import type { ReportedSnapshot } from './ledger.js';
import { HOUR_MS, MINUTE_MS, NO_HAZARDS, type Hazards, type StopPlace } from './simulated-machine.js';
import {
  collectGarbage,
  commitSnapshot,
  findSomeSnapshot,
  readSnapshot,
  tolerating,
  trashSnapshot,
  undoRemoval,
  writeContent,
  type FoundSnapshot,
} from './work.js';
import type { Stage, World } from './world.js';

/** Under which several workers commit. */
export const SHARED_NAME = 'same';

/** One process in a scene, which does its steps when it is told to. A step of which the world made nothing leaves the rest undone. */
abstract class Role {
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
    private id = `backup_${stage.world.nextNumber()}`,
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
}

/** What a role does, one after the other. */
export interface Sequence {
  role: Role;
  steps: (() => Promise<void>)[];
}

/** What a scene begins with. */
export interface Past {
  /** Gone to the trash, mostly; what it holds comes back in later backups. */
  old: ReportedSnapshot;
  kept: ReportedSnapshot;
}

/** Tells the roles of a scene when to do what, and where to stand still meanwhile. */
export class Director {
  constructor(
    readonly world: World,
    private readonly hazards: Hazards,
  ) {}

  get random(): World['random'] {
    return this.world.random;
  }

  writer(content: Buffer, id?: string): WriterRole {
    return new WriterRole(this.world.stage(this.hazards), content, id);
  }

  reader(): ReaderRole {
    return new ReaderRole(this.world.stage(this.hazards));
  }

  collector(): CollectorRole {
    return new CollectorRole(this.world.stage(this.hazards));
  }

  retention(): RetentionRole {
    return new RetentionRole(this.world.stage(this.hazards));
  }

  /** A collection by somebody who wasn't there before. */
  collect(): Promise<void> {
    return this.collector().collect();
  }

  sleep(ms: number): Promise<void> {
    return this.world.sleep(ms);
  }

  moment(): Promise<void> {
    return this.sleep(this.random.chance(0.5) ? this.random.between(0, 2 * MINUTE_MS) : 0);
  }

  /** Until what is condemned now may be deleted. */
  grace(): Promise<void> {
    const { graceMs, listLagMs } = this.world.terms;
    return this.sleep(graceMs + listLagMs + this.random.between(0, 10 * MINUTE_MS));
  }

  /** Two backups of long ago whose packs a collection may condemn; `trashed` long ago, the old one's are garbage. */
  async past({ trashed }: { trashed: boolean }): Promise<Past> {
    const { world, random } = this;
    const { ledger } = world;
    const first = random.whole(0, 15);
    const oldBlocks = Array.from({ length: random.whole(2, 4) }, (_, i) => first + i);
    // Where one block stays in use, the old pack is worth a copy.
    const shared = random.chance(0.4) ? oldBlocks.slice(0, 1) : [];
    const contents = [contentOf(oldBlocks), contentOf([...shared, 20, 21])];
    const role = new WriterRole(world.stage(NO_HAZARDS), contents[0]!, 'old');
    // Two who back up the same at the same time both store it.
    const twin = random.chance(0.2) ? new WriterRole(world.stage(NO_HAZARDS), contents[0]!, 'twin') : undefined;
    const other = random.chance(0.3) ? someContent(random) : undefined;
    await role.begin();
    await twin?.begin();
    for (const step of [role.write, role.commit]) await step();
    for (const step of twin?.steps.slice(1) ?? []) await step();
    await role.next(contents[1]!, 'kept');
    if (other) await role.next(other, 'other');
    await role.close();
    const past = { old: ledger.reported.get('old')!, kept: ledger.reported.get('kept')! };
    const retention = new RetentionRole(world.stage(NO_HAZARDS));
    if (trashed) await retention.trash(past.old);
    if (trashed && twin) await retention.trash(ledger.reported.get('twin')!);
    await this.sleep(Math.max(world.terms.graceMs, world.terms.undoPeriodMs) + 2 * world.terms.listLagMs + MINUTE_MS);
    return past;
  }

  /** The role stands still at some call of the step, or of its lease's renewals, while the rest goes on. */
  async during(role: Role, step: () => Promise<void>, meanwhile: () => Promise<void>, place: StopPlace = this.someCall(10)): Promise<void> {
    const { machine } = role.stage;
    const stopped = machine.stopAt(place);
    const done = step();
    await Promise.race([stopped, done]);
    await meanwhile();
    machine.thaw();
    await done;
  }

  someCall(within: number): StopPlace {
    return { nth: this.random.whole(1, within) };
  }

  /** Steps of several roles in some order, each role's in its own; some stand still for a while, some are not waited for. */
  async interleave(...sequences: Sequence[]): Promise<void> {
    const { random } = this;
    const left = sequences.map(({ role, steps }) => ({ role, steps: [...steps], busy: Promise.resolve(), stoppedFor: 0 }));
    for (let open = left; open.length > 0; open = left.filter(({ steps }) => steps.length > 0)) {
      const next = random.pick(open)!;
      for (const each of left) {
        if (each.stoppedFor > 0 && (--each.stoppedFor === 0 || each === next)) {
          each.stoppedFor = 0;
          each.role.stage.machine.thaw();
        }
      }
      await next.busy;
      if (random.chance(0.3)) await (random.chance(0.6) ? this.grace() : this.sleep(random.between(0, HOUR_MS)));
      if (random.chance(0.3)) {
        next.stoppedFor = random.whole(1, 3);
        void next.role.stage.machine.stopAt(this.someCall(12));
      }
      next.busy = next.steps.shift()!();
      if (next.stoppedFor === 0 && random.chance(0.7)) await next.busy;
      else await this.sleep(random.between(0, 10_000));
    }
    for (const { role } of left) role.stage.machine.thaw();
    await Promise.all(left.map(({ busy }) => busy));
  }
}
