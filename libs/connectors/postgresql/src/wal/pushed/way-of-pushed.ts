import type { TimelineHistory } from '@rahat/connector-kit';
import { type PostgresqlConnection, RahatError } from '@rahat/contracts';
import { WalsenderClient } from '../../physical/walsender-client.js';
import { readHistories } from '../source-histories.js';
import { branchesOf, historyFileName, parseTimelineHistory, type TimelineStep } from '../timeline-history.js';

/** Where the timelines of pushed segments come from: as the server archived it, else as it says when it is asked. */
export class WayOfPushed {
  private readonly contents = new Map<number, Buffer>();

  constructor(
    private readonly connection: PostgresqlConnection,
    private readonly orders: { label: string; signal: AbortSignal },
  ) {}

  learn(histories: ReadonlyMap<number, Buffer>): void {
    for (const [timeline, content] of histories) this.contents.set(timeline, content);
  }

  async to(timeline: number): Promise<TimelineStep[]> {
    if (timeline > 1 && !this.contents.has(timeline)) await this.ask(timeline);
    return parseTimelineHistory(timeline, this.contents.get(timeline));
  }

  /** Of a way, those that are known and not committed. */
  histories(way: readonly TimelineStep[], committed: ReadonlySet<number>): TimelineHistory[] {
    return branchesOf(way).flatMap((branch) => {
      const content = this.contents.get(branch.timeline);
      return content && !committed.has(branch.timeline) ? [{ branch, content }] : [];
    });
  }

  private async ask(timeline: number): Promise<void> {
    const { label, signal } = this.orders;
    try {
      await using client = await WalsenderClient.connect(this.connection, label, signal);
      for (const { branch, content } of await readHistories(client, timeline, new Set())) this.contents.set(branch.timeline, content);
    } catch (cause) {
      throw new RahatError('unavailable', `Nobody says where timeline ${timeline} comes from: ${RahatError.from(cause).message}`, {
        cause,
        hint: `Push ${historyFileName(timeline)} again, or let the server answer at its address.`,
      });
    }
  }
}
