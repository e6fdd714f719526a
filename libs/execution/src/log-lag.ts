/** Closer together they tell nothing more, and a busy server tells thousands of positions a second. */
const SAMPLE_MS = 100;

/** How old the oldest byte is that the source has written and nobody has committed. */
export class LogLag {
  private committedUpTo = -1n;
  private readonly samples: { position: bigint; at: number }[] = [];

  written(position: bigint, atMs: number): void {
    const last = this.samples.at(-1);
    if (position <= (last?.position ?? this.committedUpTo)) return;
    // A later position takes the place of the last sample's, which so stays the older time: never less lag than there is.
    if (last && atMs - last.at < SAMPLE_MS) last.position = position;
    else this.samples.push({ position, at: atMs });
  }

  committed(upTo: bigint): void {
    this.committedUpTo = upTo;
    const kept = this.samples.findIndex(({ position }) => position > upTo);
    this.samples.splice(0, kept < 0 ? this.samples.length : kept);
  }

  secondsAt(atMs: number): number {
    const oldest = this.samples[0];
    return oldest ? Math.round((atMs - oldest.at) / 100) / 10 : 0;
  }
}
