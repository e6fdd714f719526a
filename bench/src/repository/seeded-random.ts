/** xorshift32 (Marsaglia, 2003), seeded for each row, so that a row is the same whatever was made before it. */
export class SeededRandom {
  private state = 1;

  seed(...parts: number[]): this {
    let hash = 0x811c9dc5;
    for (const part of parts) {
      hash = Math.imul(hash ^ part, 0x01000193);
      hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    }
    this.state = (hash ^ (hash >>> 13)) >>> 0 || 1;
    return this;
  }

  next(): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (this.state = s >>> 0);
  }

  /** 0 ≤ result < limit */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit);
  }
}
