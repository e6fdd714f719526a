import type { Principal } from '@rahat/contracts';
import type { TestScheduler } from './start-test-scheduler.js';

export interface Heard {
  id?: string;
  event: string;
  data: Record<string, unknown>;
}

/** Reads a stream until somebody has heard enough. */
export async function listen(scheduler: TestScheduler, path: string, as: Principal = scheduler.admin, lastEventId?: string) {
  const stop = new AbortController();
  const response = await fetch(scheduler.application.url + path, {
    headers: {
      'rahat-principal': await scheduler.application.principalToken(as),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: stop.signal,
  });
  const heard: Heard[] = [];
  const reading = (async () => {
    let text = '';
    for await (const part of response.body!) {
      text += Buffer.from(part as Uint8Array).toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = new Map(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => [line.split(': ', 1)[0]!, line.slice(line.indexOf(': ') + 2)]),
        );
        text = text.slice(end + 2);
        if (fields.has('event'))
          heard.push({
            id: fields.get('id'),
            event: fields.get('event')!,
            data: JSON.parse(fields.get('data')!) as Record<string, unknown>,
          });
      }
    }
  })().catch(() => undefined);
  return {
    status: response.status,
    heard,
    until: (enough: (heard: Heard[]) => boolean) => scheduler.eventually(async () => enough(heard) && heard),
    async leave() {
      stop.abort();
      await reading;
    },
    ended: reading,
  };
}
