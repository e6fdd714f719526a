import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { streamOf } from '../connect.js';
import { queryMessage, serverError } from '../logical/copy-sum.js';

const [COPY_DATA, READY, ERROR] = [0x64, 0x5a, 0x45];
const HEADER_BYTES = 5;

/**
 * The rows of a `COPY … TO STDOUT` in pieces as they come; the server waits for whoever reads. node-postgres has no such thing: its
 * parser steps aside meanwhile. Who doesn't read to the end has no further use for the connection.
 */
export async function* copyRows(client: pg.Client, statement: Buffer): AsyncGenerator<Buffer> {
  const stream = streamOf(client);
  const parser = stream.listeners('data') as ((chunk: Buffer) => void)[];
  stream.removeAllListeners('data');
  const wire = new CopyMessages();
  const arrived: Buffer[] = [];
  let wake = (): void => undefined;
  const onData = (chunk: Buffer): void => {
    arrived.push(chunk);
    stream.pause();
    wake();
  };
  const onClose = (): void => {
    wake();
  };
  stream.on('data', onData).on('close', onClose);
  try {
    stream.write(queryMessage(statement));
    while (!wire.ready) {
      const chunk = arrived.shift();
      if (chunk) {
        const rows = wire.take(chunk);
        if (rows.length > 0) yield rows;
        continue;
      }
      if (stream.destroyed) throw lost();
      await new Promise<void>((resolve) => {
        wake = resolve;
        stream.resume();
      });
    }
    if (wire.failure) throw wire.failure;
  } finally {
    stream.off('data', onData).off('close', onClose);
    if (!wire.ready) stream.destroy();
    for (const listener of parser) stream.on('data', listener);
    stream.resume();
  }
}

/** Takes rows out of the protocol's messages, which are cut anywhere; a row of hundreds of megabytes goes through as it comes. */
class CopyMessages {
  ready = false;
  failure: Error | undefined;
  /** Of a message whose head or, for others than rows, body has not come whole. */
  #rest: Buffer = Buffer.alloc(0);
  /** Of a row whose end has not come. */
  #rowLeft = 0;

  take(chunk: Buffer): Buffer {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const rows = Buffer.allocUnsafe(bytes.length);
    let filled = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#rowLeft > 0) {
        const taken = bytes.copy(rows, filled, at, at + Math.min(this.#rowLeft, bytes.length - at));
        filled += taken;
        at += taken;
        this.#rowLeft -= taken;
        continue;
      }
      if (bytes.length - at < HEADER_BYTES) break;
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (bytes[at] === COPY_DATA) {
        at += HEADER_BYTES;
        this.#rowLeft = end - at;
        continue;
      }
      if (end > bytes.length) break;
      if (bytes[at] === ERROR) this.failure ??= serverError(bytes.subarray(at + HEADER_BYTES, end));
      else if (bytes[at] === READY) this.ready = true;
      at = end;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    return rows.subarray(0, filled);
  }
}

function lost(): RahatError {
  return new RahatError('source_lost', 'The connection to PostgreSQL broke while a table was read');
}
