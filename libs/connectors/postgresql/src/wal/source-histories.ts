import { RahatError } from '@rahat/contracts';
import { serverNotice } from '../physical/protocol/server-errors.js';
import type { WalsenderClient } from '../physical/walsender-client.js';
import { parseTimelineHistory, type TimelineStep } from './timeline-history.js';

export async function readWay(client: WalsenderClient, timeline: number): Promise<TimelineStep[]> {
  return parseTimelineHistory(timeline, timeline === 1 ? undefined : await readHistory(client, timeline));
}

async function readHistory(client: WalsenderClient, timeline: number): Promise<Buffer> {
  const content = (await client.query(`TIMELINE_HISTORY ${timeline}`))[0]?.[1];
  if (!content) throw new RahatError('source_unsupported', `The server did not tell the history of timeline ${timeline}`);
  return Buffer.from(content);
}

/** Of this timeline and of those that it came out of, as far as they are not committed yet and the server still has them. */
export async function readHistories(
  client: WalsenderClient,
  timeline: number,
  known: ReadonlySet<number>,
): Promise<{ timeline: number; content: Buffer }[]> {
  if (timeline === 1) return [];
  const content = await readHistory(client, timeline);
  const histories = [{ timeline, content }];
  for (const step of parseTimelineHistory(timeline, content)) {
    if (step.timeline === 1 || step.timeline === timeline || known.has(step.timeline)) continue;
    const older = await readHistory(client, step.timeline).catch((error: unknown) => {
      if (serverNotice(error)) return undefined;
      throw error;
    });
    if (older) histories.push({ timeline: step.timeline, content: older });
  }
  return histories;
}
