import { FollowerRole, type SimulatedLog } from './follower-role.js';
import type { ReportedSnapshot } from './ledger.js';
import { CollectorRole, ReaderRole, RetentionRole, WriterRole, type Role } from './roles.js';
import { HOUR_MS, MINUTE_MS, NO_HAZARDS, type Hazards, type StopPlace } from './simulated-machine.js';
import type { World } from './world.js';

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

  follower(log: SimulatedLog, at: number): FollowerRole {
    return new FollowerRole(this.world.stage(this.hazards), log, at);
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
    return this.sleep(graceMs + listLagMs + this.random.between(0, 4 * MINUTE_MS));
  }

  /** Two backups of long ago whose packs a collection may condemn; `trashed` long ago, the old one's are garbage. */
  async past({ trashed }: { trashed: boolean }): Promise<Past> {
    const { world } = this;
    const { ledger } = world;
    const past = { old: ledger.reported.get('old')!, kept: ledger.reported.get('kept')! };
    if (trashed) {
      const retention = new RetentionRole(world.stage(NO_HAZARDS));
      for (const id of ['old', 'twin']) {
        const chosen = ledger.reported.get(id);
        if (chosen) await retention.trash(chosen);
      }
    }
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
