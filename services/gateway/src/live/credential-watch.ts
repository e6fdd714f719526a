import type { AuthenticatedSubject } from '@rahat/contracts';
import { isStillGood } from '../front-door/ending-streams.js';

interface Watched {
  address: string;
  began: AuthenticatedSubject;
  end: () => void;
}

/** Looks at each credential again, once for all sockets that came with it, and ends them with it. */
export class CredentialWatch {
  private readonly watched = new Map<string, Set<Watched>>();
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly look: (credential: string, address: string) => Promise<AuthenticatedSubject>,
    private readonly everyMs: number,
  ) {}

  /** Gives what ends the watch. */
  watch(credential: string, watched: Watched): () => void {
    const together = this.watched.get(credential) ?? new Set();
    this.watched.set(credential, together.add(watched));
    this.looking ??= setInterval(() => this.lookAtAll(), this.everyMs).unref();
    return () => {
      together.delete(watched);
      if (together.size === 0 && this.watched.get(credential) === together) this.watched.delete(credential);
      if (this.watched.size > 0) return;
      clearInterval(this.looking);
      this.looking = undefined;
    };
  }

  private lookAtAll(): void {
    for (const [credential, together] of this.watched) {
      // One look is under way for all of them: what is remembered of it is younger than the next.
      const { address } = [...together][0]!;
      const look = this.look(credential, address);
      for (const { began, end } of together)
        void isStillGood(began, () => look).then((good) => {
          if (!good) end();
        });
    }
  }
}
