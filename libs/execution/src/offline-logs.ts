import { type LogRange, lsnOf, RahatError } from '@rahat/contracts';
import type { LogListing, Repository } from '@rahat/repository';

export interface OfflineLogStream {
  stream: string;
  /** Absent when nothing of it can be read. */
  server?: { name: string; version: string; identity: string };
  sizeBytes: number;
  /** Pieces without a hole, by timeline and position: between two of one timeline there is a gap. */
  windows: LogRange[];
  /** Of what can't be read: it is missing to a recovery. */
  damage: string[];
}

/** What a repository holds of continuous logs. */
export async function listLogStreams(repository: Repository): Promise<OfflineLogStream[]> {
  const streams = new Map<string, OfflineLogStream>();
  for await (const listing of repository.logs()) {
    const stream = streams.get(listing.stream) ?? { stream: listing.stream, sizeBytes: 0, windows: [], damage: [] };
    streams.set(listing.stream, stream);
    note(stream, listing);
  }
  return [...streams.values()].map((stream) => ({ ...stream, windows: mergeRanges(stream.windows) }));
}

/** After a gap that a new stream began behind, a server has several. */
export async function onlyStreamOf(repository: Repository, server: { identity: string; name: string }): Promise<string> {
  const streams = (await listLogStreams(repository)).filter((stream) => stream.server?.identity === server.identity);
  const [only, other] = streams;
  if (only && !other) return only.stream;
  throw new RahatError(
    'recovery_target_unreachable',
    `The repository holds ${only ? `${streams.length} logs` : 'no log'} of ${server.name}`,
    {
      hint: only
        ? `Name one of ${streams.map(({ stream }) => stream).join(', ')} with --stream.`
        : 'Only the backups themselves can be restored.',
    },
  );
}

function note(stream: OfflineLogStream, listing: LogListing): void {
  if (!listing.ok) {
    stream.damage.push(`${listing.id}: ${listing.error.message}`);
    return;
  }
  const { server, range, sizeBytes } = listing.manifest;
  stream.server = { name: server.name, version: server.version, identity: server.identity };
  stream.sizeBytes += sizeBytes;
  stream.windows.push(range);
}

/** Those that touch or overlap become one. */
export function mergeRanges(ranges: readonly LogRange[]): LogRange[] {
  const merged: LogRange[] = [];
  const order = (a: LogRange, b: LogRange) => a.timeline - b.timeline || compare(lsnOf(a.start), lsnOf(b.start));
  for (const range of [...ranges].sort(order)) {
    const last = merged.at(-1);
    if (last?.timeline !== range.timeline || lsnOf(last.end) < lsnOf(range.start)) merged.push({ ...range });
    else {
      if (lsnOf(range.end) > lsnOf(last.end)) last.end = range.end;
      last.firstCommitAt = least(last.firstCommitAt, range.firstCommitAt);
      last.lastCommitAt = greatest(last.lastCommitAt, range.lastCommitAt);
    }
  }
  return merged;
}

function compare(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Times of one form sort as text. */
function least(left: string | undefined, right: string | undefined): string | undefined {
  return left === undefined || (right !== undefined && right < left) ? right : left;
}

function greatest(left: string | undefined, right: string | undefined): string | undefined {
  return left === undefined || (right !== undefined && right > left) ? right : left;
}
