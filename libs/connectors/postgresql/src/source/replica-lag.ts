export interface StandbyPosition {
  name: string;
  /** Bytes of the log from its very beginning. */
  replayed: number;
  /** As the server tells it; null where it doesn't know. */
  replaySeconds: number | null;
}

export interface StandbyLag {
  name: string;
  bytes: number;
  seconds: number;
}

/** So far back positions are remembered; who is further behind is at least so far behind. */
const REMEMBERED_SECONDS = 3_600;

/**
 * How far standbys are behind. PostgreSQL's own replay_lag stands still while a standby replays nothing, so the time is also told from
 * where the source was at earlier looks.
 */
export class ReplicaLag {
  private looks: { position: number; atMs: number }[] = [];

  see(position: number, standbys: readonly StandbyPosition[], nowMs: number): StandbyLag[] {
    this.looks = [...this.looks.filter(({ atMs }) => nowMs - atMs <= REMEMBERED_SECONDS * 1000), { position, atMs: nowMs }];
    return standbys.map(({ name, replayed, replaySeconds }) => {
      const bytes = Math.max(0, position - replayed);
      const missed = this.looks.find((look) => look.position > replayed);
      const watchedSeconds = missed ? (nowMs - missed.atMs) / 1000 : 0;
      return { name, bytes, seconds: bytes === 0 ? 0 : Math.max(watchedSeconds, replaySeconds ?? 0) };
    });
  }
}
