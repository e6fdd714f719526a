import { RahatError, type LivePage, type Principal, type Run } from '@rahat/contracts';
import type { Tenant, TenantDatabase } from '@rahat/persistence';
import type { EventStream } from '../live/event-stream.js';
import type { LiveHub } from '../live/live-hub.js';
import { Wake } from '../live/wake.js';
import { isTerminal } from './run-states.js';
import { findRun, presentRun } from './runs.table.js';
import { logAfter, presentLogLine } from './runs.service.js';

/** A signal may be lost; so late a change then comes at most. */
const LOOK_AT_LATEST_MS = 5_000;
/** The last lines may reach us after the end. */
const LAST_LOOK_AFTER_MS = 500;
const LINES_AT_ONCE = 500;

/**
 * A run as it goes on: `log` lines and the `run` at each change, read from PostgreSQL, so that any replica can serve it, until it is over;
 * `progress` straight from the signal.
 */
export class RunEvents {
  constructor(
    private readonly database: TenantDatabase,
    private readonly hub: LiveHub,
  ) {}

  async follow(principal: Principal, id: string, lastEventId: string | undefined, stream: EventStream): Promise<void> {
    // Not found is an answer of its own, before the stream begins.
    await this.database.inOrganization(principal, (transaction) => findRun(transaction, id));
    const wake = new Wake();
    stream.begin();
    stream.onClose(wake.now);
    this.hub.attend(stream, principal.organization, (signal) => {
      if (signal.run !== id) return;
      if (signal.kind === 'progress') stream.sendIfReading({ type: 'progress', data: { attempt: signal.attempt, ...signal.progress } });
      else wake.now();
    });
    // An error now can't be an answer any more.
    await this.tell(principal, id, lastEventId, stream, wake).finally(() => stream.end());
  }

  /** Its log after a place, and the run as it is, for a reader that then follows from there. */
  async since(tenant: Tenant, id: string, lastEventId: string | undefined): Promise<LivePage> {
    const after = placeIn(lastEventId);
    const { run, lines } = await this.read(tenant, id, after);
    const position = lines.at(-1)?.sequence ?? after;
    const more = lines.length === LINES_AT_ONCE;
    const events: LivePage['events'] = lines.map((line) => ({ type: 'log', data: presentLogLine(line), id: line.sequence }));
    if (!more) events.push({ type: 'run', data: run, id: position });
    return { missed: false, position, events, more, over: !more && isTerminal(run.state) };
  }

  private async tell(tenant: Tenant, id: string, lastEventId: string | undefined, stream: EventStream, wake: Wake): Promise<void> {
    let position = placeIn(lastEventId);
    let shown = '';
    let over = false;
    while (!stream.closed) {
      const look = await this.look(tenant, id, position);
      if (look === 'gone') return;
      if (look === undefined) {
        await wake.atLatestAfter(LOOK_AT_LATEST_MS);
        continue;
      }
      const { run, lines } = look;
      for (const line of lines) {
        position = line.sequence;
        stream.send({ id: position, type: 'log', data: presentLogLine(line) });
      }
      // Its progress comes by itself.
      const current = JSON.stringify({ ...run, progress: null });
      if (current !== shown) stream.send({ id: position, type: 'run', data: run });
      shown = current;
      await stream.drained();
      if (lines.length === LINES_AT_ONCE) continue;
      if (over && lines.length === 0) return;
      over = isTerminal(run.state);
      await wake.atLatestAfter(over ? LAST_LOOK_AFTER_MS : LOOK_AT_LATEST_MS);
    }
  }

  /** undefined while the database is away; gone when its server has left the groups of who reads it. */
  private async look(tenant: Tenant, id: string, position: string) {
    try {
      return await this.read(tenant, id, position);
    } catch (error) {
      const { code, retryable } = RahatError.from(error);
      if (retryable) return undefined;
      if (code === 'not_found') return 'gone';
      throw error;
    }
  }

  private read(tenant: Tenant, id: string, position: string) {
    return this.database.inOrganization(tenant, async (transaction) => ({
      // The run first: its lines are written before its end, so none is missed when it is over.
      run: presentRun(await findRun(transaction, id)) satisfies Run,
      lines: await logAfter(transaction, id, position, LINES_AT_ONCE),
    }));
  }
}

function placeIn(lastEventId: string | undefined): string {
  return lastEventId && /^\d{1,18}$/.test(lastEventId) ? lastEventId : '0';
}
