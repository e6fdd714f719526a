import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import type { LogFacts, LogManifest } from '../logs/log-manifest.js';
import { logIdOf } from '../logs/log-names.js';
import type { WriteSession } from '../repository.js';
import { BLOCK_BYTES, chunkIds, contentOf, FACTS } from './content.js';
import { pieceOf } from './known-logs.js';
import { Role } from './roles.js';
import { repeatSometimes, tally, tolerating } from './work.js';
import type { Stage } from './world.js';

/** What a server writes: the same bytes at the same place for whoever follows it. */
export interface SimulatedLog {
  stream: string;
  blocks: readonly number[];
}

/** Follows a log from a place on, in a session after the other; a place is a number of blocks. */
export class FollowerRole extends Role {
  private session: WriteSession | undefined;

  constructor(
    stage: Stage,
    private readonly log: SimulatedLog,
    /** All before it is committed. */
    public at: number,
  ) {
    super(stage);
  }

  readonly begin = (): Promise<void> =>
    this.perform(() =>
      tolerating(this.stage, async () => (this.session = await this.stage.repository.beginWriting({ writer: 'follower' }))),
    );

  /** Commits so many blocks; where that fails, the next try begins at the same place. */
  commit(blocks: number): Promise<void> {
    return this.perform(async () => {
      const { session, stage, log, at } = this;
      const end = Math.min(at + blocks, log.blocks.length);
      if (!session || end <= at || stage.machine.dead) return;
      await tolerating(stage, async () => {
        await this.commitRange(session, [at, end]);
        this.at = end;
      });
    });
  }

  readonly close = (): Promise<void> =>
    this.perform(async () => {
      const { session } = this;
      this.session = undefined;
      await session?.[Symbol.asyncDispose]();
    });

  /** Opens the next session before it closes the old one. */
  readonly renew = (): Promise<void> =>
    this.perform(async () => {
      const { session } = this;
      this.session = undefined;
      await this.begin();
      await session?.[Symbol.asyncDispose]();
    });

  private async commitRange(session: WriteSession, [from, to]: [number, number]): Promise<void> {
    const { stage, log } = this;
    const { world, keys, machine } = stage;
    const content = contentOf(log.blocks.slice(from, to));
    const source = async function* (): AsyncGenerator<Buffer> {
      yield content;
    };
    const object = await session.writeObject({ key: `wal/${from}`, kind: 'log', order: 0, class: 'log' }, source());
    const names = { first: place(from), last: place(to) };
    const begun = tally(stage);
    const attempt = (): Promise<LogManifest> => session.commitLog(log.stream, names, factsOf(from, to), [object]);
    await attempt().catch((error: unknown) => {
      if (error instanceof RahatError && error.code === 'storage_unreachable' && world.random.chance(0.5)) return attempt();
      throw error;
    });
    const id = logIdOf(log.stream, names);
    const piece = pieceOf({ key: object.key, sha256: createHash('sha256').update(content).digest('hex') });
    const chunks = [...new Set(chunkIds(keys, content))];
    world.ledger.report({ id, piece, content, chunks, purged: false, reportedAtMs: world.timeline.nowMs });
    if (!machine.dead) await repeatSometimes(stage, `the commit of ${id}`, begun, attempt);
  }
}

export function place(at: number): string {
  return at.toString(16).padStart(8, '0');
}

function factsOf(from: number, to: number): LogFacts {
  const { run, attempt, organization, server, engine, findings, tool } = FACTS;
  const lsn = (at: number): string => `0/${(at * BLOCK_BYTES).toString(16).toUpperCase()}`;
  return { run, attempt, organization, server, engine, findings, tool, range: { timeline: 1, start: lsn(from), end: lsn(to) } };
}
