import { createHash } from 'node:crypto';
import { BoundedStore } from '../bounded-store.js';
import { plainWindows } from '../chunking/gear-scan.js';
import type { RepositoryContext, WritingMemory } from '../context.js';
import type { RepositoryConfig } from '../descriptor/config.js';
import { formatDescriptor, newDescriptor } from '../descriptor/descriptor.js';
import { deriveKeys, type RepositoryKeys } from '../keys/derivation.js';
import { PACKS_PREFIX } from '../layout.js';
import type { Protocol } from '../protocol.js';
import { OpenRepository } from '../repository-engine.js';
import type { Repository } from '../repository.js';
import { JOBS_HERE } from '../threads/session-jobs.js';
import { ThreadPool, type JobPlace } from '../threads/thread-pool.js';
import { BLOCK_BYTES } from './content.js';
import { Ledger } from './ledger.js';
import { PLAIN_SEALING } from './plain-sealing.js';
import { Random } from './random.js';
import { MINUTE_MS, SimulatedMachine, type Hazards } from './simulated-machine.js';
import { RemoteStore, SimulatedStorage } from './simulated-store.js';
import { Timeline } from './timeline.js';
import { OPEN_READS, WatchedStore } from './watched-store.js';

/** What somebody works with on a machine of his own. */
export interface Stage {
  repository: Repository;
  machine: SimulatedMachine;
  world: World;
  keys: RepositoryKeys;
}

/** Settings that differ between schedules. */
export interface Terms {
  /** Files are sealed, and memory is taken, as in the product; without, the same happens in half the time. */
  ciphers: boolean;
  tinyMemory: boolean;
  graceMs: number;
  undoPeriodMs: number;
  listLagMs: number;
  conditionalPut: boolean;
}

export const LEASE_TTL_MS = 30 * MINUTE_MS;

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

const windows = plainWindows(KEYS.gearTable);
const KIB = 1024;
/** What the usual contents, of up to 70 blocks, need. */
const LITTLE_MEMORY: WritingMemory = { windows, windowBytes: 8 * KIB, frameBytes: 8 * KIB, packBytes: 32 * KIB };
/** A frame of ten blocks fills a pack, because its footer is much longer. */
export const TINY_FRAME_BYTES = 10 * BLOCK_BYTES;
const TINY_MEMORY: WritingMemory = { ...LITTLE_MEMORY, windowBytes: TINY_FRAME_BYTES, frameBytes: TINY_FRAME_BYTES };
/** Some stored frames. */
const TINY_FRAME_MEMORY_BYTES = 512;
/** Two threads by their number, which decides how much a session holds; their work is done at once, because virtual time waits for none. */
class NoThreads extends ThreadPool {
  override leastBusy(): JobPlace {
    return JOBS_HERE;
  }
}
const THREADS = new NoThreads(2);

/** A repository, its storage, and the machines that work with it; all its chances come from the seed. */
export class World {
  readonly random: Random;
  readonly timeline = new Timeline();
  readonly ledger: Ledger;
  readonly storage: SimulatedStorage;
  readonly terms: Terms;
  removedPacks = 0;
  private readonly trace = createHash('sha256');
  private number = 0;

  constructor(
    seed: number,
    private readonly protocol: Protocol,
    choose: (random: Random) => Terms,
  ) {
    this.random = new Random(seed);
    this.terms = choose(this.random);
    const { ciphers, conditionalPut, listLagMs } = this.terms;
    const sealing = ciphers ? undefined : PLAIN_SEALING;
    this.ledger = new Ledger({ keys: KEYS, repositoryId: REPOSITORY_ID, sealing }, { ...this.terms, leaseTtlMs: LEASE_TTL_MS });
    const able = { serverTime: true, objectLock: false, rangedRead: true, maxObjectSizeBytes: 2 ** 40, putsAtOnce: 4 };
    this.storage = new SimulatedStorage(
      this.timeline,
      this.random,
      { conditionalPut, listLagMs, ...able },
      {
        stored: (name, bytes, lease) => {
          this.note('stored', name);
          this.ledger.stored(name, bytes, lease);
        },
        removed: (name, lease) => {
          this.note('removed', name);
          if (name.startsWith(PACKS_PREFIX)) this.removedPacks++;
          this.ledger.removed(name, lease);
        },
      },
    );
    this.ledger.storage = this.storage;
  }

  /** A process on a new machine. */
  stage(hazards: Hazards): Stage {
    const machine = new SimulatedMachine(this.timeline, this.random, hazards);
    const bounded = new BoundedStore(new RemoteStore(this.storage, machine), LEASE_TTL_MS / 8, machine.clock);
    const context: RepositoryContext = {
      store: new WatchedStore(bounded, machine, (message) => this.ledger.violate(message)),
      repositoryId: REPOSITORY_ID,
      keys: KEYS,
      config: CONFIG,
      clock: machine.clock,
      leaseTtlMs: LEASE_TTL_MS,
      protocol: this.protocol,
      threads: THREADS,
      openReads: OPEN_READS,
      ...(!this.terms.ciphers && { sealing: PLAIN_SEALING, writingMemory: LITTLE_MEMORY }),
      ...(this.terms.tinyMemory && { writingMemory: TINY_MEMORY, frameMemoryBytes: TINY_FRAME_MEMORY_BYTES }),
    };
    return { repository: new OpenRepository(context, SECRETS), machine, world: this, keys: KEYS };
  }

  /** New in the whole schedule. */
  nextNumber(): number {
    return this.number++;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.timeline.after(ms, resolve));
  }

  /** Runs until nothing is planned any more, `ended` says so, or a promise is broken. */
  async run(ended: () => boolean = () => false): Promise<void> {
    await this.timeline.run(() => this.ledger.violation !== undefined || ended());
  }

  /** Digest of the order of everything that happened. */
  traceDigest(): string {
    return this.trace.digest('hex');
  }

  private note(what: string, name: string): void {
    // Names of packs, segments and leases are random; their order of appearance isn't.
    this.trace.update(`${this.timeline.nowMs} ${what} ${name.slice(0, name.indexOf('/'))}\n`);
  }
}
