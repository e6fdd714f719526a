/** Taken out once: in the contexts that Jest makes each look at a global costs more than the multiplication. */
const { imul, floor } = Math;

/** Numbers that a seed repeats (mulberry32). */
export class Random {
  constructor(private state: number) {}

  /** From 0 up to, not including, 1. */
  unit(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  between(from: number, to: number): number {
    return from + this.unit() * (to - from);
  }

  /** Whole, both ends included. */
  whole(from: number, to: number): number {
    return floor(this.between(from, to + 1));
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[floor(this.unit() * list.length)];
  }
}
