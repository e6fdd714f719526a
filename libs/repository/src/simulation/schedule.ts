import { PROTOCOL, type Protocol } from '../protocol.js';
import { Director } from './director.js';
import { inspectSometimes } from './inspection.js';
import { LARGE_SCENE } from './large-scene.js';
import { live } from './life.js';
import { recall } from './past.js';
import type { Random } from './random.js';
import type { Scene } from './scene.js';
import { SCENES } from './scenes.js';
import { HOUR_MS, MINUTE_MS, NO_HAZARDS, type Hazards } from './simulated-machine.js';
import { LEASE_TTL_MS, World, type Terms } from './world.js';

export interface ScheduleResult {
  seed: number;
  /** What was played. */
  scene: string;
  /** What was broken, if anything. */
  violation: string | undefined;
  calls: number;
  reported: number;
  purged: number;
  removedPacks: number;
  /** Digest of the order of everything that happened: the same seed gives the same. */
  trace: string;
}

/** Of so many schedules one is no scene, but the life of actors who know nothing of each other. */
const LIVES = 2;
export const KINDS = SCENES.length + LIVES;

/** One schedule, of which all chances come from the seed. Seeds that are the same modulo `KINDS` play the same scene. */
export async function runSchedule(seed: number, protocol: Partial<Protocol> = {}): Promise<ScheduleResult> {
  const scene = sceneOf(seed);
  const world = new World(seed, { ...PROTOCOL, ...protocol }, (random) => ({
    ...someTerms(random, scene),
    ciphers: seed % CIPHERS_IN === 0,
  }));
  const { random, ledger } = world;
  if (scene) {
    await recall(world, scene.past);
    play(world, scene);
  } else live(world, hazards(random.pick([0.3, 1, 3])!));
  await world.run();
  if (!ledger.violation) await inspectSometimes(world);
  const reported = [...ledger.reported.values()];
  return {
    seed,
    scene: scene?.name ?? 'life',
    violation: ledger.violation,
    calls: world.storage.calls,
    reported: reported.length,
    purged: reported.filter(({ purged }) => purged).length,
    removedPacks: world.removedPacks,
    trace: world.traceDigest(),
  };
}

/** It takes as long as ten others, so that it is one of so many lives. */
const LARGE_IN = 8;

function sceneOf(seed: number): Scene | undefined {
  const kind = seed % KINDS;
  return kind === SCENES.length && Math.floor(seed / KINDS) % LARGE_IN === 0 ? LARGE_SCENE : SCENES[kind];
}

/** In one of so many schedules, of every scene, files are sealed with their ciphers. */
const CIPHERS_IN = 32;

function play(world: World, scene: Scene): void {
  const { random, ledger } = world;
  const director = new Director(world, random.chance(0.75) ? NO_HAZARDS : hazards(random.pick([0.3, 1])!));
  void scene.play(director).catch((error: unknown) => ledger.violate(`A scene failed: ${String((error as Error).stack)}`));
}

function someTerms(random: Random, scene: Scene | undefined): Omit<Terms, 'ciphers'> {
  const lags = scene?.listings === 'lag' || random.chance(0.3);
  return {
    graceMs: 2 * LEASE_TTL_MS * random.pick([1, 1, 1, 1.5])!,
    undoPeriodMs: scene?.undo === 'long' ? 12 * HOUR_MS : random.pick([0, 20 * MINUTE_MS, 2 * HOUR_MS])!,
    listLagMs: lags ? random.between(1000, 10 * MINUTE_MS) : 0,
    conditionalPut: random.chance(0.5),
    tinyMemory: scene?.memory === 'tiny',
  };
}

function hazards(level: number): Hazards {
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
