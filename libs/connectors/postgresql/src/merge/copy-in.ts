import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { streamOf } from '../connect.js';
import { queryMessage, serverError } from '../logical/copy-sum.js';

const [COPY_IN, READY, ERROR] = [0x47, 0x5a, 0x45];
const HEADER_BYTES = 5;
const LARGEST_MESSAGE = 1024 * 1024;

/**
 * `COPY … FROM STDIN` with these pieces, pulled as fast as the server takes them. node-postgres has no such thing: its parser
 * steps aside meanwhile. Where the pieces fail, so does the statement, and their error is thrown.
 */
export async function copyInto(client: pg.Client, statement: string, pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
  const stream = streamOf(client);
  const parser = stream.listeners('data') as ((chunk: Buffer) => void)[];
  stream.removeAllListeners('data');
  const answer = new CopyAnswer();
  const onData = (chunk: Buffer): void => answer.take(chunk);
  const onClose = (): void => answer.lost();
  stream.on('data', onData).on('close', onClose);
  try {
    if (stream.destroyed) answer.lost();
    stream.write(queryMessage(Buffer.from(statement)));
    await answer.begun;
    let failure: unknown;
    try {
      for await (const piece of pieces) {
        if (answer.ended) break;
        await send(stream, answer, piece);
      }
    } catch (error) {
      failure = error;
    }
    if (!answer.ended)
      stream.write(failure === undefined ? message('c', Buffer.alloc(0)) : message('f', Buffer.from('the rows ended early\0')));
    await answer.ready.catch((error: unknown) => {
      throw failure ?? error;
    });
    if (failure !== undefined) throw failure;
  } finally {
    stream.off('data', onData).off('close', onClose);
    for (const listener of parser) stream.on('data', listener);
  }
}

async function send(stream: ReturnType<typeof streamOf>, answer: CopyAnswer, piece: Buffer): Promise<void> {
  for (let at = 0; at < piece.length && !answer.ended; at += LARGEST_MESSAGE) {
    if (stream.write(message('d', piece.subarray(at, at + LARGEST_MESSAGE)))) continue;
    await Promise.race([new Promise<void>((resolve) => stream.once('drain', resolve)), answer.ready.catch(() => undefined)]);
  }
}

/** What the server says to it: that it takes rows, and how it ended. */
class CopyAnswer {
  ended = false;
  readonly #begun = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();
  #held: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;

  constructor() {
    // Nobody waits for the end while rows are being pulled.
    this.#ready.promise.catch(() => undefined);
    this.#begun.promise.catch(() => undefined);
  }

  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  take(chunk: Buffer): void {
    this.#held = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    while (this.#held.length >= HEADER_BYTES && this.#held.length > this.#held.readUInt32BE(1)) {
      const end = this.#held.readUInt32BE(1) + 1;
      const [type, body] = [this.#held[0], this.#held.subarray(HEADER_BYTES, end)];
      this.#held = this.#held.subarray(end);
      if (type === COPY_IN) this.#begun.resolve();
      else if (type === ERROR) this.#failure ??= serverError(body);
      else if (type === READY) this.#end(this.#failure);
    }
  }

  lost(): void {
    this.#end(new RahatError('source_lost', 'The connection to PostgreSQL broke while rows were sent'));
  }

  #end(failure: Error | undefined): void {
    this.ended = true;
    if (failure) {
      this.#begun.reject(failure);
      this.#ready.reject(failure);
      return;
    }
    this.#begun.resolve();
    this.#ready.resolve();
  }
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.write(type, 'latin1');
  head.writeUInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
