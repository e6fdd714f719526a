import type { Socket } from 'node:net';
import type { NextFunction, Request, Response } from 'express';

const LOOKS_IN_THAT_TIME = 4;

interface Progress {
  /** Of one connection several may wait, one behind the other. */
  answers: number;
  taken: number;
  since: number;
}

/** Cuts off who asks and then takes nothing of the answer: it holds memory here, and whatever the answer is read from. */
export class StalledReaders {
  private readonly answering = new Map<Socket, Progress>();
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly stalledMs: number,
    private readonly cutOff: () => void = () => undefined,
  ) {}

  readonly use = ({ socket }: Request, response: Response, next: NextFunction): void => {
    const known = this.answering.get(socket) ?? { answers: 0, taken: takenOf(socket), since: Date.now() };
    this.answering.set(socket, known);
    known.answers += 1;
    response.once('close', () => this.forget(socket));
    this.looking ??= setInterval(() => this.look(), this.stalledMs / LOOKS_IN_THAT_TIME).unref();
    next();
  };

  private forget(socket: Socket): void {
    const known = this.answering.get(socket);
    if (known && --known.answers === 0) this.answering.delete(socket);
    if (this.answering.size > 0) return;
    clearInterval(this.looking);
    this.looking = undefined;
  }

  private look(): void {
    const now = Date.now();
    for (const [socket, progress] of this.answering) {
      const taken = takenOf(socket);
      // Nothing waits for it: the answer is still being made, or is a stream without news.
      if (socket.writableLength === 0 || taken !== progress.taken) Object.assign(progress, { taken, since: now });
      else if (now - progress.since >= this.stalledMs) {
        this.cutOff();
        socket.destroy();
      }
    }
  }
}

/** Of what was written, what has left this process. */
function takenOf(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}
