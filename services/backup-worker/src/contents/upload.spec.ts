import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { upload } from './upload.js';

let server: Server;
let status = 204;
let seen: { text: string; whole: boolean; ticket: string | undefined }[];

beforeEach(async () => {
  seen = [];
  status = 204;
  server = createServer((request, response) => void read(request).then((whole) => whole && response.writeHead(status).end()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function read(request: IncomingMessage): Promise<boolean> {
  const one = { text: '', whole: false, ticket: request.headers.authorization };
  seen.push(one);
  try {
    for await (const part of request) one.text += String(part);
    one.whole = request.complete;
  } catch {
    // It broke off.
  }
  return one.whole;
}

const send = (pieces: AsyncIterable<Buffer>, signal = new AbortController().signal) =>
  upload({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ticket: 'ticket' }, pieces, signal);

async function* pieces(...texts: (string | Error)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
    // The one before is under way.
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe('an upload', () => {
  it('ends when all of it was taken', async () => {
    await send(pieces('one ', 'two'));
    expect(seen).toEqual([{ text: 'one two', whole: true, ticket: 'Bearer ticket' }]);
  });

  it('is whole without any piece', async () => {
    await send(pieces());
    expect(seen).toMatchObject([{ text: '', whole: true }]);
  });

  it('never looks whole when its source breaks off', async () => {
    await expect(send(pieces('one ', new Error('damaged')))).rejects.toThrow('damaged');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toMatchObject([{ text: 'one ', whole: false }]);
  });

  it('stops reading its source when it is aborted, or nobody takes it', async () => {
    const abort = new AbortController();
    let ended = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          yield Buffer.from('more ');
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } finally {
        ended = true;
      }
    }
    const sending = send(endless(), abort.signal);
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort();
    await expect(sending).rejects.toThrow();
    expect(ended).toBe(true);
    expect(seen[0]!.whole).toBe(false);

    ended = false;
    const other = send(endless());
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    server.closeAllConnections();
    await expect(other).rejects.toThrow();
    expect(ended).toBe(true);
  });

  it('is an error where it is refused', async () => {
    status = 404;
    await expect(send(pieces('one'))).rejects.toMatchObject({ code: 'unavailable' });
  });
});
