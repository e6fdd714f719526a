import { Agent, request as httpRequest } from 'node:http';

const DEADLINE_MS = 30_000;

export interface Answer {
  /** 0 where none came. */
  status: number;
  ms: number;
  body: string;
}

/** One user's connection, kept open as a browser keeps it. */
export class Caller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** As a proxy tells it: each user comes from an address of his own. */
  private readonly address: string;

  constructor(
    private readonly gateway: string,
    private readonly key: string | undefined,
    number: number,
  ) {
    this.address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const started = performance.now();
    const content = body === undefined ? undefined : JSON.stringify(body);
    const { promise, resolve } = Promise.withResolvers<{ status: number; body: string }>();
    const request = httpRequest(new URL(path, this.gateway), {
      method,
      agent: this.agent,
      timeout: DEADLINE_MS,
      headers: {
        'x-forwarded-for': this.address,
        ...(this.key !== undefined && { authorization: `Bearer ${this.key}` }),
        ...(content !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
      },
    });
    request.once('timeout', () => request.destroy());
    request.once('error', ({ message }) => resolve({ status: 0, body: message }));
    request.once('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.once('error', ({ message }) => resolve({ status: 0, body: message }));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString('utf8') }));
    });
    request.end(content);
    return { ...(await promise), ms: performance.now() - started };
  }

  close(): void {
    this.agent.destroy();
  }
}
