import { request as openRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The address of those who mean well; the others come from 127.0.0.1. */
const WELL_MEANING = '127.0.0.2';

/** Connections of somebody who means no good. */
export class HostileClients implements Disposable {
  readonly sockets: Socket[] = [];
  /** What came back, by connection. */
  readonly answers: string[] = [];
  closed = 0;
  private readonly dripping: NodeJS.Timeout[] = [];

  constructor(private readonly url: string) {}

  /** Each says `first` at once; `reads: false` takes nothing of what comes back. */
  async connect(count: number, first: string, { reads = true } = {}): Promise<void> {
    const { hostname, port } = new URL(this.url);
    const opened = Array.from({ length: count }, async (_, number) => {
      const socket = connect({ host: hostname, port: Number(port) });
      const index = this.sockets.push(socket) - 1;
      this.answers[index] = '';
      socket.on('error', () => undefined).once('close', () => (this.closed += 1));
      if (reads) socket.on('data', (bytes: Buffer) => (this.answers[index] += bytes.toString('latin1').slice(0, 1_000)));
      else socket.pause();
      await sleep(Math.floor(number / 100) * 10);
      if (first !== '') socket.write(first);
    });
    await Promise.all(opened);
  }

  /** One more sign from each of them, again and again. */
  drip(sign: string, everyMs: number): void {
    this.dripping.push(setInterval(() => this.sockets.forEach((socket) => socket.writable && socket.write(sign)), everyMs));
  }

  answered(pattern: RegExp): number {
    return this.answers.filter((answer) => pattern.test(answer)).length;
  }

  [Symbol.dispose](): void {
    for (const timer of this.dripping) clearInterval(timer);
    for (const socket of this.sockets) socket.destroy();
  }
}

/** How long somebody who means well waits for each of so many answers, one after the other; fails when one is not good. */
export async function waitsOf(url: string, key: string, path: string, times = 20): Promise<number[]> {
  const waits: number[] = [];
  for (let time = 0; time < times; time++) {
    const began = performance.now();
    const status = await ask(new URL(path, url), 'GET', { authorization: `Bearer ${key}` });
    if (status !== 200) throw new Error(`Somebody who means well got ${status}`);
    waits.push(performance.now() - began);
    await sleep(50);
  }
  return waits;
}

export function ask(url: URL, method: string, headers: Record<string, string>, body?: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = openRequest(url, { method, headers, localAddress: WELL_MEANING, agent: false }, (response) => {
    response.resume().once('end', () => resolve(response.statusCode!));
    response.once('error', reject);
  });
  request.once('error', reject);
  request.end(body);
  return promise;
}
