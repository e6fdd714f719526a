import { EventEmitter } from 'node:events';
import type { Response } from 'express';

/** What limits and places look at of an answer. */
class AnswerOfATest extends EventEmitter {
  readonly headers = new Map<string, string>();
  closed = false;
  headersSent = false;
  setHeader = (name: string, value: string) => void this.headers.set(name, value);
  getHeader = (name: string) => this.headers.get(name);
  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

export function answerOfATest(): AnswerOfATest & Response {
  return new AnswerOfATest() as unknown as AnswerOfATest & Response;
}
