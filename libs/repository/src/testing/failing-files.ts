import * as synchronous from 'node:fs';
import * as promised from 'node:fs/promises';
import { jest } from '@jest/globals';

type Call = (...args: unknown[]) => unknown;

/**
 * The file system, of which one call fails: the n-th that the code under test makes. To be asked for before that code is imported,
 * which must be done by `await import(…)`.
 */
export class FailingFiles {
  private seen = 0;
  private strikeAt = Infinity;

  constructor() {
    const named = (module: object): [string, unknown][] => Object.entries(module);
    const wrapped = named(synchronous).map(([name, value]) => {
      if (name === 'stat') return [name, this.calledBack(value as Call)];
      return [name, name.endsWith('Sync') ? this.counted(value as Call) : value];
    });
    jest.unstable_mockModule('node:fs', () => Object.fromEntries(wrapped));
    const promises = named(promised).map(([name, value]) => [name, typeof value === 'function' ? this.promised(value as Call) : value]);
    jest.unstable_mockModule('node:fs/promises', () => Object.fromEntries(promises));
  }

  arm(nthCall: number): void {
    [this.seen, this.strikeAt] = [0, nthCall];
  }

  /** Whether the call was come to. */
  disarm(): boolean {
    const struck = this.seen >= this.strikeAt;
    this.strikeAt = Infinity;
    return struck;
  }

  private counted(call: Call): Call {
    return (...args) => {
      if (!isClosing(call)) this.strike(call.name);
      const answer = call(...args);
      if (isClosing(call)) this.strike(call.name);
      return answer;
    };
  }

  private calledBack(call: Call): Call {
    return (...args) => {
      try {
        this.strike(call.name);
      } catch (error) {
        return process.nextTick(args.at(-1) as Call, error);
      }
      return call(...args);
    };
  }

  private promised(call: Call): Call {
    return async (...args) => {
      if (!isClosing(call)) this.strike(call.name);
      const answer = await call(...args);
      if (isClosing(call)) this.strike(call.name);
      return this.watched(answer);
    };
  }

  /** What is done with an opened file counts as well. */
  private watched(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || !('fd' in value)) return value;
    return new Proxy(value, {
      get: (file, property) => {
        const member: unknown = Reflect.get(file, property, file);
        return typeof member === 'function' ? this.promised(member.bind(file) as Call) : member;
      },
    });
  }

  private strike(name: string): void {
    if (++this.seen !== this.strikeAt) return;
    throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO', errno: -5 });
  }
}

/** A file whose closing fails is closed all the same. Bound methods are named `bound close`. */
function isClosing({ name }: Call): boolean {
  return /\bclose(Sync)?$/.test(name);
}
