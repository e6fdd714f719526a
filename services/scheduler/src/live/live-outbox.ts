import type { EventName, EventPayload } from '@rahat/contracts';
import type { Messaging, Outbox } from '@rahat/messaging';
import { recordLiveEvent } from './live-events.table.js';
import { signalLive } from './live-signal.js';

/** The events that whoever watches the organization hears, by the names that they have there. */
const LIVE_NAMES: { [N in EventName]?: string } = {
  'run.changed.v1': 'run',
  'backup.recorded.v1': 'backup.recorded',
  'backup.proven.v1': 'backup.proven',
};

/** The outbox, which also keeps for a while what is shown live: what is committed is told to both. */
export function liveOutbox(outbox: Outbox, messaging: Messaging): Outbox {
  return {
    command: (...all) => outbox.command(...all),
    async event(transaction, name, payload) {
      await outbox.event(transaction, name, payload);
      const type = LIVE_NAMES[name];
      if (type === undefined) return;
      const { organization, ...data } = payload as EventPayload<'run.changed.v1' | 'backup.recorded.v1' | 'backup.proven.v1'>;
      await recordLiveEvent(transaction, { organization, type, data, of: data });
      signalLive(messaging, transaction, { organization, run: 'run' in data ? data.run : '', kind: 'changed' });
    },
  };
}
