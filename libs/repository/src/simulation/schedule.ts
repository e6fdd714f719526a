import { createHash } from 'node:crypto';
import { BoundedStore } from '../bounded-store.js';
import type { RepositoryContext } from '../context.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import { formatDescriptor, newDescriptor } from '../descriptor/descriptor.js';
import { deriveKeys } from '../keys/derivation.js';
import { PROTOCOL, type Protocol } from '../protocol.js';
import { OpenRepository } from '../repository-engine.js';
import { BLOCK_BYTES, collector, expectContent, follower, reader, retention, writer, type Actor, type Stage } from './actors.js';
import { Ledger } from './ledger.js';
import { Random } from './random.js';
import { HOUR_MS, MINUTE_MS, SimulatedMachine, type Hazards } from './simulated-machine.js';
import { RemoteStore, SimulatedStorage } from './simulated-store.js';
import { Timeline } from './timeline.js';

export interface ScheduleResult {
  seed: number;
  /** What was broken, if anything. */
  violation: string | undefined;
  calls: number;
  reported: number;
  purged: number;
  removedPacks: number;
  /** Digest of the order of everything that happened: the same seed gives the same. */
  trace: string;
}

const LEASE_TTL_MS = 30 * MINUTE_MS;
const GRACE_MS = 2 * LEASE_TTL_MS;
const UNDO_PERIOD_MS = 40 * MINUTE_MS;
const ACTORS: readonly Actor[] = [writer, writer, follower, reader, retention, collector, collector];
const RESTARTS = 3;

const SECRETS = { masterKey: Buffer.alloc(32, 1), identitySecret: Buffer.alloc(32, 2) };
const KEYS = deriveKeys(SECRETS);
const REPOSITORY_ID = Buffer.alloc(16, 3);
const FIXED_CUT = { min: BLOCK_BYTES, average: BLOCK_BYTES, max: BLOCK_BYTES };
const CONFIG: RepositoryConfig = {
  descriptor: formatDescriptor(newDescriptor(REPOSITORY_ID, new Date(0))),
  packPublicKey: KEYS.packPublic.toString('base64'),
  packSizeBytes: 2048,
  cutSizes: { rows: FIXED_CUT, pages: FIXED_CUT, log: FIXED_CUT, small: FIXED_CUT },
};

/** One life of a repository with several writers, readers and collectors, of which all chances come from the seed. */
export async function runSchedule(seed: number, protocol: Partial<Protocol> = {}): Promise<ScheduleResult> {
  return new Schedule(seed, { ...PROTOCOL, ...protocol }).run();
}

class Schedule {
  private readonly random: Random;
  private readonly timeline = new Timeline();
  private readonly ledger: Ledger;
  private readonly storage: SimulatedStorage;
  private readonly hazards: Hazards;
  private readonly trace = createHash('sha256');
  private removedPacks = 0;
  private number = 0;

  constructor(
    private readonly seed: number,
    private readonly protocol: Protocol,
  ) {
    this.random = new Random(seed);
    this.hazards = someHazards(this.random);
    this.ledger = new Ledger({ keys: KEYS, repositoryId: REPOSITORY_ID }, UNDO_PERIOD_MS);
    const capabilities = {
      conditionalPut: this.random.chance(0.5),
      listLagMs: this.random.chance(0.4) ? this.random.between(1000, 10 * MINUTE_MS) : 0,
      serverTime: true,
      objectLock: false,
      rangedRead: true,
      maxObjectSizeBytes: 2 ** 40,
    };
    this.storage = new SimulatedStorage(this.timeline, this.random, capabilities, {
      stored: (name, bytes) => {
        this.note('stored', name);
        this.ledger.stored(name, bytes);
      },
      removed: (name) => {
        this.note('removed', name);
        if (name.startsWith('packs/')) this.removedPacks++;
        this.ledger.removed(name);
      },
    });
    this.ledger.storage = this.storage;
  }

  async run(): Promise<ScheduleResult> {
    for (const actor of ACTORS) this.start(actor, RESTARTS, this.hazards);
    await this.timeline.run(() => this.ledger.violation !== undefined);
    if (!this.ledger.violation) await this.inspect();
    const reported = [...this.ledger.reported.values()];
    return {
      seed: this.seed,
      violation: this.ledger.violation,
      calls: this.storage.calls,
      reported: reported.length,
      purged: reported.filter(({ purged }) => purged).length,
      removedPacks: this.removedPacks,
      trace: this.trace.digest('hex'),
    };
  }

  /** An actor whose machine dies is started anew on another one some time later. */
  private start(actor: Actor, restarts: number, hazards: Hazards): void {
    const machine = new SimulatedMachine(this.timeline, this.random, hazards);
    machine.onDeath = () => {
      if (restarts > 0) this.timeline.after(this.random.between(0, HOUR_MS), () => this.start(actor, restarts - 1, hazards));
    };
    void actor(this.stage(machine)).catch((error: unknown) => this.ledger.violate(`An actor failed: ${String((error as Error).stack)}`));
  }

  private stage(machine: SimulatedMachine): Stage {
    const { clock } = machine;
    const store = new BoundedStore(new RemoteStore(this.storage, machine), LEASE_TTL_MS / 8, clock);
    const context: RepositoryContext = {
      store,
      repositoryId: REPOSITORY_ID,
      keys: KEYS,
      config: CONFIG,
      clock,
      leaseTtlMs: LEASE_TTL_MS,
      protocol: this.protocol,
    };
    return {
      repository: new OpenRepository(context, SECRETS),
      machine,
      random: this.random,
      ledger: this.ledger,
      keys: KEYS,
      options: {
        graceMs: GRACE_MS,
        undoPeriodMs: UNDO_PERIOD_MS,
        leaseTtlMs: LEASE_TTL_MS,
        listLagMs: this.storage.capabilities.listLagMs,
      },
      nextNumber: () => this.number++,
    };
  }

  /** When all is over: everything that was promised is read, and what nobody needs goes away. */
  private async inspect(): Promise<void> {
    let done = false;
    const inspector: Actor = async ({ repository, ledger, machine, options }) => {
      // Until every listing shows everything.
      await new Promise<void>((resolve) => machine.clock.after(HOUR_MS, resolve));
      {
        await using session = await repository.beginReading();
        for (const wanted of ledger.reported.values()) {
          if (wanted.trashedAtMs === undefined) await expectContent(session, await repository.findSnapshot(wanted.id), wanted, ledger);
        }
      }
      for (let round = 0; round < 3 && this.seed % 8 === 0; round++) {
        await new Promise<void>((resolve) => machine.clock.after(5 * HOUR_MS, resolve));
        await repository.collect(options);
      }
      done = true;
    };
    this.start(inspector, 0, NO_HAZARDS);
    await this.timeline.run(() => done || this.ledger.violation !== undefined);
    if (!done) this.ledger.violate('The inspection did not come to its end.');
  }

  private note(what: string, name: string): void {
    // Names of packs, segments and leases are random; their order of appearance isn't.
    this.trace.update(`${this.timeline.nowMs} ${what} ${name.slice(0, name.indexOf('/'))}\n`);
  }
}

function someHazards(random: Random): Hazards {
  const level = random.pick([0, 0.3, 1, 3])!;
  return {
    crash: 0.002 * level,
    freeze: 0.003 * level,
    fail: 0.004 * level,
    loseAnswer: 0.004 * level,
    hang: 0.003 * level,
    landsWithinMs: 2 * HOUR_MS,
    slow: 0.03 * level,
  };
}

const NO_HAZARDS: Hazards = { crash: 0, freeze: 0, fail: 0, loseAnswer: 0, hang: 0, landsWithinMs: 0, slow: 0 };
