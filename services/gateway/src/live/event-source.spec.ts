import { describe, expect, it } from '@jest/globals';
import { readEvents, type SourceEvent } from './event-source.js';

async function read(...pieces: Uint8Array[]): Promise<SourceEvent[]> {
  const events: SourceEvent[] = [];
  for await (const event of readEvents(
    (async function* () {
      yield* pieces;
    })(),
  ))
    events.push(event);
  return events;
}

describe('server-sent events', () => {
  it('are the same wherever the network cuts them, also within a letter', async () => {
    const bytes = Buffer.from(
      ': begin\n\nid: 1-2-3\nevent: run\ndata: {"name":"büyük: 🚀"}\n\n: beat\n\nevent: progress\ndata: {}\n\nevent: cut',
    );
    const whole = [
      { id: '1-2-3', type: 'run', data: '{"name":"büyük: 🚀"}' },
      { id: undefined, type: 'progress', data: '{}' },
    ];
    for (let cut = 0; cut <= bytes.length; cut++) expect(await read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(whole);
  });

  it('without an end are given up', async () => {
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    await expect(read(...Array.from({ length: 6 }, () => megabyte))).rejects.toThrow('no end');
  });
});
