import { setTimeout as sleep } from 'node:timers/promises';
import type { Principal } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { Observable } from 'rxjs';
import { isTerminal } from './run-states.js';
import { findRun, presentRun } from './runs.table.js';
import { logAfter, presentLogLine } from './runs.service.js';

export interface RunEvent {
  /** Position in the log; a reconnect sends it back as Last-Event-ID. */
  id: string;
  type: 'run' | 'log';
  data: object;
}

const LOOK_EVERY_MS = 500;
const LINES_AT_ONCE = 500;

/** A run as it goes on, read from PostgreSQL, so that any replica can serve it: `log` lines and the `run` at each change, until it is over. */
export class RunEvents {
  constructor(private readonly database: ServiceDatabase) {}

  async follow(principal: Principal, id: string, lastEventId: string | undefined): Promise<Observable<RunEvent>> {
    // Not found is an answer of its own, before the stream begins.
    await this.database.inOrganization(principal.organization, (transaction) => findRun(transaction, id));
    return new Observable((subscriber) => {
      const stop = new AbortController();
      void (async () => {
        for await (const event of this.events(principal, id, lastEventId, stop.signal)) subscriber.next(event);
        subscriber.complete();
      })().catch((error: unknown) => {
        if (!stop.signal.aborted) subscriber.error(error);
      });
      return () => stop.abort();
    });
  }

  private async *events(principal: Principal, id: string, lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<RunEvent> {
    let position = lastEventId && /^\d{1,18}$/.test(lastEventId) ? lastEventId : '0';
    let shown = '';
    let over = false;
    while (!signal.aborted) {
      const { run, lines } = await this.database.inOrganization(principal.organization, async (transaction) => ({
        // The run first: its lines are written before its end, so none is missed when it is over.
        run: presentRun(await findRun(transaction, id)),
        lines: await logAfter(transaction, id, position, LINES_AT_ONCE),
      }));
      for (const line of lines) {
        position = line.sequence;
        yield { id: position, type: 'log', data: presentLogLine(line) };
      }
      const current = JSON.stringify(run);
      if (current !== shown) yield { id: position, type: 'run', data: run };
      shown = current;
      // The last lines may reach us after the end: one more look.
      if (over && lines.length === 0) return;
      over = isTerminal(run.state);
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  }
}
