import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeMessage, MessageReader, type Joined } from './messages.js';

const DATA = 'd'.charCodeAt(0);

/** As a connection does: each read is into the memory of the one before. */
async function* lent(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  const memory = Buffer.alloc(1 << 16);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    memory.fill(0xee);
    const taken = bytes.copy(memory, 0, at, Math.min(bytes.length, at + sizes[turn % sizes.length]!));
    at += taken;
    yield memory.subarray(0, taken);
  }
}

interface Seen {
  /** Copy messages in their order, those of data joined; a message of another type as its letter. */
  parts: string[];
  pieces: number;
}

async function read(bytes: Buffer, sizes: number[], joined?: Joined): Promise<Seen> {
  const reader = new MessageReader(lent(bytes, sizes));
  const parts: string[] = [];
  let pieces = 0;
  let kind = '';
  for (let message = await reader.next(joined); message; message = await reader.next(joined)) {
    pieces++;
    const text = message.body.toString('latin1');
    if (message.type !== 'd') parts.push((kind = message.type));
    else if (message.continued) parts.push(`${parts.pop()}${text}`);
    else if (text.startsWith('d') && kind === 'data') parts.push(`${parts.pop()}${text.slice(1)}`);
    else parts.push(text.startsWith('d') ? text.slice(1) : text);
    if (message.type === 'd' && !message.continued) kind = text.startsWith('d') ? 'data' : 'told';
  }
  return { parts, pieces };
}

/** Data of any length, with short messages of other kinds and other types between them. */
const stream = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 40_000 }).map((length) => encodeMessage('d', 'd', Buffer.alloc(length, length % 251))),
    fc.constant(encodeMessage('d', 'p', 'progress')),
    fc.constant(encodeMessage('D', Buffer.alloc(20, 1))),
  ),
  { maxLength: 30 },
);

describe('a reader of messages', () => {
  it('gives the same bytes in the same order, however they come and whether messages are joined', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 5 }), async (messages, sizes) => {
        const bytes = Buffer.concat(messages);
        const plain = await read(Buffer.from(bytes), [1 << 16]);
        expect((await read(Buffer.from(bytes), sizes)).parts).toEqual(plain.parts);
        expect((await read(Buffer.from(bytes), sizes, DATA)).parts).toEqual(plain.parts);
      }),
      { numRuns: 60 },
    );
  });

  it('joins what stands in one read, but not what only looks alike', async () => {
    const long = encodeMessage('d', 'd', Buffer.alloc(8000, 7));
    expect((await read(Buffer.concat([long, long, long]), [1 << 16], DATA)).pieces).toBe(1);
    expect((await read(Buffer.concat([long, long, long]), [1 << 16])).pieces).toBe(3);
    const told = encodeMessage('d', 'p', Buffer.alloc(8000, 7));
    expect((await read(Buffer.concat([long, told, long]), [1 << 16], DATA)).pieces).toBe(3);
    expect((await read(Buffer.concat([long, told, long]), [1 << 16], 'any')).pieces).toBe(1);
  });
});
