import { once } from 'node:events';
import { request as openRequest, type IncomingMessage } from 'node:http';
import { request as openSecureRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RahatError, type ContentUpload } from '@rahat/contracts';

/** Who takes nothing for so long takes nothing any more. */
const STALLED_MS = 120_000;

/**
 * Sends the pieces to where they are waited for, as fast as they are taken. What fails on the way breaks the connection before the end of
 * the body: nobody takes what came for all of it. Pieces are not lent: some wait in the socket.
 */
export async function upload({ url, ticket }: ContentUpload, pieces: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
  const open = new URL(url).protocol === 'https:' ? openSecureRequest : openRequest;
  const request = open(url, { method: 'POST', headers: { authorization: `Bearer ${ticket}` }, agent: false, signal });
  request.setTimeout(STALLED_MS, () => request.destroy(new RahatError('deadline_exceeded', 'Nobody took the contents any more')));
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  await pipeline(Readable.from(pieces, { objectMode: false, highWaterMark: 256 * 1024 }), request);
  const [response] = await answered;
  response.resume();
  if (response.statusCode !== 204) throw new RahatError('unavailable', `The contents were not taken: ${response.statusCode}`);
}
