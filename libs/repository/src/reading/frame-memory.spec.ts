import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OpenedFrame } from '../frames/opened-frame.js';
import { FrameMemory, type FetchedFrame, type HeldFrame } from './frame-memory.js';

const PLAIN_BYTES = 100_000;

/** A frame whose plaintext is full of its number. */
function frame(number: number, storedBytes = PLAIN_BYTES / 4): FetchedFrame & { opened: OpenedFrame[] } {
  const opened: OpenedFrame[] = [];
  const open = async (): Promise<OpenedFrame> => {
    opened.push(new OpenedFrame(Buffer.alloc(PLAIN_BYTES, number)));
    return opened.at(-1)!;
  };
  return { storedBytes, plainBytes: PLAIN_BYTES, open, opened };
}

const WHOLE = { offset: 0, length: PLAIN_BYTES };

describe('memory for frames', () => {
  const isKept = (memory: FrameMemory, number: number): boolean => memory.hold(number) !== undefined;

  it('keeps what was read in part, and gives back at once what was read to its end', async () => {
    const memory = new FrameMemory();
    const [part, end] = [1, 2].map((number) => memory.add(number, frame(number)));
    const [, opened] = await Promise.all([part!.open(), end!.open()]);
    part!.noteRead({ offset: 10, length: PLAIN_BYTES - 10 });
    end!.noteRead({ offset: 0, length: 10 });
    end!.noteRead({ offset: 10, length: PLAIN_BYTES - 10 });
    part!.release();
    end!.release();
    expect([isKept(memory, 1), isKept(memory, 2)]).toEqual([true, false]);
    expect(opened.plaintext).toHaveLength(0);
  });

  it('gives back what was used longest ago where there is no more room', async () => {
    const memory = new FrameMemory(2 * PLAIN_BYTES);
    for (const number of [1, 2]) {
      const held = memory.add(number, frame(number));
      await held.open();
      held.release();
    }
    memory.hold(1)!.release();
    await memory.add(3, frame(3)).open();
    expect([1, 2, 3].map((number) => isKept(memory, number))).toEqual([true, false, true]);
  });

  it('counts a frame that is only fetched by what is stored of it', async () => {
    const memory = new FrameMemory(1_000_000);
    const held = memory.add(1, frame(1));
    expect(memory.room).toBe(975_000);
    await held.open();
    expect(memory.room).toBe(900_000);
    held.release();
    held.release();
    expect(memory.room).toBe(1_000_000);
  });

  it('forgets a frame that could not be opened, so that the next who asks tries anew', async () => {
    const memory = new FrameMemory();
    const broken = memory.add(1, { storedBytes: 10, plainBytes: 10, open: () => Promise.reject(new Error('unreachable')) });
    await expect(broken.open()).rejects.toThrow('unreachable');
    expect(memory.hold(1)).toBeUndefined();
    const before = memory.room;
    broken.release();
    expect(memory.room).toBe(before + 10);
  });

  it('opens a frame once for all who hold it, leaves it alone while one of them does, and never keeps more than its budget besides', async () => {
    const steps = fc.array(fc.record({ frame: fc.nat(9), act: fc.constantFrom('hold', 'open', 'read', 'release') }), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const memory = new FrameMemory(3 * PLAIN_BYTES);
        const holds: { number: number; held: HeldFrame; isOpen: boolean }[] = [];
        const all: ReturnType<typeof frame>[] = [];
        for (const { frame: number, act } of taken) {
          const at = holds.findIndex((hold) => hold.number === number);
          if (act === 'hold') {
            const made = frame(number);
            const kept = memory.hold(number);
            if (!kept) all.push(made);
            holds.push({ number, held: kept ?? memory.add(number, made), isOpen: false });
          } else if (at >= 0 && act === 'open') {
            await holds[at]!.held.open();
            holds[at]!.isOpen = true;
          } else if (at >= 0 && act === 'read') holds[at]!.held.noteRead(WHOLE);
          else if (at >= 0 && act === 'release') holds.splice(at, 1)[0]!.held.release();
          for (const { number: held, held: hold, isOpen } of holds) {
            if (isOpen) expect((await hold.open()).plaintext).toMatchObject({ 0: held, length: PLAIN_BYTES });
          }
        }
        holds.forEach(({ held }) => held.release());
        for (const { opened } of all) expect(opened.length).toBeLessThanOrEqual(1);
        const alive = all.flatMap(({ opened }) => opened).filter(({ plaintext }) => plaintext.length > 0);
        expect(alive.length * PLAIN_BYTES).toBeLessThanOrEqual(3 * PLAIN_BYTES);
        expect(memory.room).toBe(3 * PLAIN_BYTES);
      }),
    );
  });
});
