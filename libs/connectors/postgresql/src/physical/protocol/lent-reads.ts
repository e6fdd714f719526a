import net from 'node:net';

/** A read takes what the kernel holds for us. Node takes 64 KiB of it otherwise, into memory that is new each time. */
const READ_BYTES = 1 << 20;

/** The bytes of a plain connection, pulled. They are lent: what comes next is read into the same memory. */
export class LentReads implements AsyncIterator<Buffer, undefined> {
  readonly socket: net.Socket;
  private readonly memory = Buffer.allocUnsafeSlow(READ_BYTES);
  private unread = 0;
  private waiting?: PromiseWithResolvers<IteratorResult<Buffer, undefined>>;
  private ended = false;
  private failure?: Error;

  constructor(place: net.NetConnectOpts) {
    // After each read no other one is begun before somebody asks: back-pressure reaches the server.
    const onread = { buffer: this.memory, callback: (length: number) => this.take(length) };
    this.socket = net.connect({ ...place, onread });
    this.socket.once('error', (error) => (this.failure = error));
    for (const event of ['end', 'close']) this.socket.once(event, () => this.end());
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.unread > 0) return Promise.resolve(this.lend(this.unread));
    if (this.failure) return Promise.reject(this.failure);
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    this.waiting ??= Promise.withResolvers();
    this.socket.resume();
    return this.waiting.promise;
  }

  private take(length: number): boolean {
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) waiting.resolve(this.lend(length));
    else this.unread = length;
    return false;
  }

  private lend(length: number): IteratorResult<Buffer, undefined> {
    this.unread = 0;
    return { done: false, value: this.memory.subarray(0, length) };
  }

  private end(): void {
    this.ended = true;
    const { waiting } = this;
    this.waiting = undefined;
    if (this.failure) waiting?.reject(this.failure);
    else waiting?.resolve({ done: true, value: undefined });
  }
}
