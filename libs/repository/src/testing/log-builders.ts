import type { Repository, WriteSession } from '../repository.js';
import type { LogFacts, LogListing, LogManifest, LogNames } from '../logs/log-manifest.js';
import { collect, describing, noise, pieces } from './builders.js';

export const STREAM = 'stream_1';

/** Position as text that is sorted like the number. */
export function position(at: number, timeline = 1): string {
  return `${timeline.toString(16).padStart(8, '0')}-${at.toString(16).padStart(16, '0')}`;
}

export function logNames(from: number, to: number): LogNames {
  return { first: position(from), last: position(to) };
}

/** PostgreSQL's way of writing it. */
function lsn(at: number): string {
  return `0/${at.toString(16).toUpperCase()}`;
}

export function logFacts(from: number, to: number, over: Partial<LogFacts> = {}): LogFacts {
  return {
    run: 'run_9',
    attempt: 1,
    organization: 'org_1',
    server: { id: 'server_1', identity: '7311', name: 'shop', version: '15.18' },
    engine: 'postgresql',
    range: { timeline: 1, start: lsn(from), end: lsn(to) },
    findings: [],
    tool: 'rahat-backup',
    ...over,
  };
}

/** The log of a server whose bytes a seed repeats. */
export function logBytes(from: number, to: number): Buffer {
  return LOG.subarray(from, to);
}

const LOG = noise(4 * 1024 * 1024, 77);

export async function commitRange(
  session: WriteSession,
  [from, to]: [number, number],
  over: Partial<LogFacts> = {},
  bytes = logBytes(from, to),
): Promise<LogManifest> {
  const description = describing(`wal/${position(from)}`, { kind: 'log', class: 'log' });
  const object = await session.writeObject(description, pieces(bytes), () => ({ meta: { timeline: 1, start: lsn(from), end: lsn(to) } }));
  return await session.commitLog(STREAM, logNames(from, to), logFacts(from, to, over), [object]);
}

/** One session that commits one range behind the other; `bounds` are where one ends and the next begins. */
export async function follow(repository: Repository, bounds: number[], writer = 'follower'): Promise<LogManifest[]> {
  await using session = await repository.beginWriting({ writer });
  const manifests: LogManifest[] = [];
  for (let i = 1; i < bounds.length; i++) manifests.push(await commitRange(session, [bounds[i - 1]!, bounds[i]!]));
  return manifests;
}

export function listed(logs: AsyncIterable<LogListing>): Promise<string[]> {
  return Array.fromAsync(logs, ({ id }) => id.slice(id.lastIndexOf('/') + 1));
}

/** The whole of what stands of the stream, put together by what each object says of itself. */
export async function readLog(repository: Repository): Promise<Buffer> {
  await using session = await repository.beginReading();
  const parts: { start: number; bytes: Buffer }[] = [];
  for await (const listing of repository.logs({ stream: STREAM })) {
    if (!listing.ok) throw listing.error;
    for (const object of listing.manifest.objects) {
      const { start } = object.meta as { start: string };
      parts.push({ start: Number.parseInt(start.slice(2), 16), bytes: await collect(session.readObject(object)) });
    }
  }
  parts.sort((a, b) => a.start - b.start);
  let whole = Buffer.alloc(0);
  const begin = parts[0]?.start ?? 0;
  for (const { start, bytes } of parts) {
    const known = begin + whole.length - start;
    if (known < 0) throw new Error(`The log is missing from ${begin + whole.length} to ${start}.`);
    whole = Buffer.concat([whole, bytes.subarray(known)]);
  }
  return whole;
}
