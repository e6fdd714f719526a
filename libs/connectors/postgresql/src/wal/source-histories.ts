import type { TimelineHistory } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { serverNotice } from '../physical/protocol/server-errors.js';
import type { WalsenderClient } from '../physical/walsender-client.js';
import { branchesOf, parseTimelineHistory, type TimelineStep } from './timeline-history.js';

export async function readWay(client: WalsenderClient, timeline: number): Promise<TimelineStep[]> {
  return parseTimelineHistory(timeline, timeline === 1 ? undefined : await readHistory(client, timeline));
}

async function readHistory(client: WalsenderClient, timeline: number): Promise<Buffer> {
  const content = (await client.query(`TIMELINE_HISTORY ${timeline}`))[0]?.[1];
  if (!content) throw new RahatError('source_unsupported', `The server did not tell the history of timeline ${timeline}`);
  return Buffer.from(content);
}

async function readOlderHistory(client: WalsenderClient, timeline: number): Promise<Buffer | undefined> {
  return readHistory(client, timeline).catch((error: unknown) => {
    if (serverNotice(error)) return undefined;
    throw error;
  });
}

/** Of this timeline and of those that it came out of, as far as they are not committed yet and the server still has them. */
export async function readHistories(client: WalsenderClient, timeline: number, known: ReadonlySet<number>): Promise<TimelineHistory[]> {
  if (timeline === 1) return [];
  const newest = await readHistory(client, timeline);
  const histories: TimelineHistory[] = [];
  for (const branch of branchesOf(parseTimelineHistory(timeline, newest))) {
    const isNewest = branch.timeline === timeline;
    if (!isNewest && known.has(branch.timeline)) continue;
    const content = isNewest ? newest : await readOlderHistory(client, branch.timeline);
    if (content) histories.push({ branch, content });
  }
  return histories;
}
