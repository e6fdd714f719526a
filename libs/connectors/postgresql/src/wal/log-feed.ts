import { lsnText, RahatError } from '@rahat/contracts';
import { parseLogPosition } from '../physical/log-position.js';
import type { WalsenderClient } from '../physical/walsender-client.js';

export type FeedEvent =
  /** The next bytes of the log. */
  | { type: 'bytes'; start: bigint; bytes: Buffer }
  /** How far the server has written; `answer`: it waits for our word, which it does before it shuts down. */
  | { type: 'server'; end: bigint; answer: boolean }
  /** The timeline ended here; nothing follows. */
  | { type: 'switched'; timeline: number; start: bigint };

/** protocol-replication: XLogData is 'w', start, end, clock, then data; a keepalive is 'k', end, clock, answer. */
const DATA_HEADER = 25;
const KEEPALIVE = 18;

/** Streams a timeline of the log from exactly this position, through the slot. Ends without a `switched` only by an error. */
export async function* logFeed(
  client: WalsenderClient,
  slot: string,
  from: { timeline: number; position: bigint },
  onStreaming: (streaming: boolean) => void,
): AsyncGenerator<FeedEvent> {
  const command = `START_REPLICATION SLOT ${slot} PHYSICAL ${lsnText(from.position)} TIMELINE ${from.timeline}`;
  let header: Buffer = Buffer.alloc(0);
  let at = 0n;
  let next: { timeline: number; start: bigint } | undefined;
  for await (const event of client.command(command)) {
    switch (event.type) {
      case 'copyStart':
        onStreaming(true);
        break;
      case 'copyData': {
        if (!event.continued) header = Buffer.alloc(0);
        let data = event.data;
        if (header.length < DATA_HEADER) {
          // A long message comes in pieces, and its first piece may be shorter than the header.
          const before = header.length;
          header = Buffer.concat([header, data.subarray(0, DATA_HEADER - before)]);
          data = data.subarray(header.length - before);
          if (header[0] === 0x6b && header.length >= KEEPALIVE) {
            yield { type: 'server', end: header.readBigUInt64BE(1), answer: header[17] === 1 };
            break;
          }
          if (header.length < DATA_HEADER) break;
          if (header[0] !== 0x77) throw new RahatError('source_unsupported', 'The server sent something else than its log');
          at = header.readBigUInt64BE(1);
          yield { type: 'server', end: header.readBigUInt64BE(9), answer: false };
        }
        if (data.length === 0) break;
        yield { type: 'bytes', start: at, bytes: data };
        at += BigInt(data.length);
        break;
      }
      case 'copyEnd':
        onStreaming(false);
        client.endCopy();
        break;
      case 'row': {
        const [timeline, start] = event.row;
        if (timeline && start) next = { timeline: Number(timeline), start: parseLogPosition(start) };
        break;
      }
      case 'result':
        break;
    }
  }
  onStreaming(false);
  if (!next) throw new RahatError('source_lost', 'The server ended the stream of its log');
  yield { type: 'switched', ...next };
}

const CLOCK_EPOCH_MS = Date.UTC(2000, 0, 1);

/**
 * Standby status update: nothing is told as written, flushed or applied before it is committed, so that nobody takes it for safe.
 * 0 tells of no position, and leaves the slot where it is (walsender.c: InvalidXLogRecPtr).
 */
export function standbyStatus(committed: bigint, askAnswer: boolean): Buffer {
  const status = Buffer.alloc(34);
  status[0] = 0x72;
  for (const offset of [1, 9, 17]) status.writeBigUInt64BE(committed, offset);
  status.writeBigInt64BE(BigInt(Date.now() - CLOCK_EPOCH_MS) * 1000n, 25);
  status[33] = askAnswer ? 1 : 0;
  return status;
}
