import type pg from 'pg';
import { streamOf } from '../connect.js';

const [COPY_IN, READY, ERROR] = [0x47, 0x5a, 0x45];

/** `COPY … FROM STDIN` with this content, for specs; node-postgres has no such thing of its own. */
export async function copyInto(client: pg.Client, statement: string, content: Buffer): Promise<void> {
  const stream = streamOf(client);
  const parser = stream.listeners('data') as ((chunk: Buffer) => void)[];
  stream.removeAllListeners('data');
  try {
    await new Promise<void>((resolve, reject) => {
      let held = Buffer.alloc(0);
      let failure: Error | undefined;
      stream.on('data', (chunk: Buffer) => {
        held = Buffer.concat([held, chunk]);
        while (held.length >= 5 && held.length >= held.readUInt32BE(1) + 1) {
          const length = held.readUInt32BE(1) + 1;
          const [type, body] = [held[0], held.subarray(5, length)];
          held = held.subarray(length);
          if (type === COPY_IN) {
            for (let at = 0; at < content.length; at += 60_000) stream.write(message('d', content.subarray(at, at + 60_000)));
            stream.write(message('c', Buffer.alloc(0)));
          } else if (type === ERROR) failure = new Error(body.toString('utf8').replaceAll('\0', ' '));
          else if (type === READY) {
            if (failure) reject(failure);
            else resolve();
          }
        }
      });
      stream.write(message('Q', Buffer.from(`${statement}\0`)));
    });
  } finally {
    stream.removeAllListeners('data');
    for (const listener of parser) stream.on('data', listener);
  }
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
