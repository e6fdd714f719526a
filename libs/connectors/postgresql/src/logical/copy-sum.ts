import type pg from 'pg';
import { RahatError } from '@rahat/contracts';
import { streamOf } from '../connect.js';
import { RowKernel, type RowSum } from './row-kernel.js';

const QUERY_MESSAGE = 0x51;
const [READY, ERROR] = [0x5a, 0x45];

/**
 * Runs a `COPY … TO STDOUT` and gives rows and hash of what the server sent, in bounded memory even for rows of hundreds of
 * megabytes: node-postgres builds each row whole, so its parser steps aside for the length of the statement.
 * `statement` is bytes, because names are in the encoding that the session's client_encoding says.
 */
export async function sumOfCopy(
  client: pg.Client,
  statement: Buffer,
  kernel = new RowKernel(),
  onBytes?: (length: number) => void,
): Promise<RowSum> {
  kernel.reset();
  const stream = streamOf(client);
  const parser = stream.listeners('data') as ((chunk: Buffer) => void)[];
  stream.removeAllListeners('data');
  try {
    await new Promise<void>((resolve, reject) => {
      const wire = new CopyWire(kernel);
      let failure: Error | undefined;
      const finish = (error?: Error): void => {
        stream.off('data', onData).off('close', onClose);
        if (error) reject(error);
        else resolve();
      };
      const onData = (chunk: Buffer): void => {
        onBytes?.(chunk.length);
        for (const message of wire.push(chunk)) {
          if (message.type === ERROR) failure ??= serverError(message.body);
          else if (message.type === READY) finish(failure);
        }
      };
      const onClose = (): void => finish(new RahatError('source_lost', 'The connection to PostgreSQL broke while a table was read'));
      stream.on('data', onData).once('close', onClose);
      if (stream.destroyed) onClose();
      else stream.write(queryMessage(statement));
    });
  } finally {
    for (const listener of parser) stream.on('data', listener);
  }
  if (kernel.insideRow) throw new RahatError('internal', 'COPY ended inside a row');
  return kernel.sum();
}

/** Splits the protocol: CopyData goes to the kernel as it comes, other messages are gathered whole. */
class CopyWire {
  #pending: Buffer = Buffer.alloc(0);

  constructor(private readonly kernel: RowKernel) {}

  *push(chunk: Buffer): Generator<{ type: number; body: Buffer }> {
    let left = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    this.#pending = Buffer.alloc(0);
    while (left.length > 0) {
      const { used, message } = this.kernel.absorbWire(left);
      left = left.subarray(used);
      if (message === 0) continue;
      const length = left.length >= 5 ? left.readUInt32BE(1) + 1 : Number.POSITIVE_INFINITY;
      if (left.length < length) {
        this.#pending = Buffer.from(left);
        return;
      }
      yield { type: message, body: left.subarray(5, length) };
      left = left.subarray(length);
    }
  }
}

export function queryMessage(statement: Buffer): Buffer {
  const message = Buffer.alloc(5 + statement.length + 1);
  message.writeUInt8(QUERY_MESSAGE);
  message.writeUInt32BE(4 + statement.length + 1, 1);
  statement.copy(message, 5);
  return message;
}

export function serverError(body: Buffer): Error {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .filter((field) => field !== '')
      .map((field) => [field[0], field.slice(1)]),
  );
  return Object.assign(new Error(fields.get('M') ?? 'unknown error'), { code: fields.get('C') });
}

/** pg_dump's `COPY t (a, b) FROM stdin;` read in the other direction. */
export function copyOut(copyStatement: Buffer): Buffer {
  const marker = copyStatement.lastIndexOf(' FROM stdin;');
  if (marker < 0) throw new RahatError('dump_invalid', 'A table in the dump has no COPY statement');
  return Buffer.concat([copyStatement.subarray(0, marker), Buffer.from(' TO stdout')]);
}

/**
 * The settings on which the text of values depends, as pg_dump sets them (pg_dump.c, setup_connection) and as
 * `toolConnection` pins them; only so are two readings of the same rows the same bytes.
 */
export async function pinTextForms(client: pg.Client, encoding: string): Promise<void> {
  await client.query(`SELECT pg_catalog.set_config(name, value, false) FROM (VALUES
    ('search_path',''), ('datestyle','ISO'), ('intervalstyle','postgres'), ('extra_float_digits','3'), ('timezone','UTC'),
    ('bytea_output','hex'), ('quote_all_identifiers','on'), ('synchronize_seqscans','off'), ('statement_timeout','0'), ('lock_timeout','0'),
    ('idle_in_transaction_session_timeout','0'), ('row_security','off')) AS pinned(name, value)`);
  await client.query("SELECT pg_catalog.set_config('client_encoding', $1, false)", [encoding]);
}
