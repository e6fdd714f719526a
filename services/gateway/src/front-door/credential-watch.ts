import { coversGroups, RahatError, type AuthenticatedSubject } from '@rahat/contracts';

/** With what is remembered of a credential (subject-cache.ts) this keeps below the ten seconds in which a revocation takes hold. */
const LOOK_AGAIN_MS = 4_000;

interface Watched {
  address: string;
  began: AuthenticatedSubject;
  end: () => void;
}

/** Looks at each credential again, once for all streams and sockets that came with it: they end when it does, or may do less than when they began. */
export class CredentialWatch {
  private readonly watched = new Map<string, Set<Watched>>();
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly look: (credential: string, address: string) => Promise<AuthenticatedSubject>,
    private readonly everyMs = LOOK_AGAIN_MS,
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

async function isStillGood(began: AuthenticatedSubject, look: () => Promise<AuthenticatedSubject>): Promise<boolean> {
  try {
    const now = await look();
    return (
      now.organization === began.organization &&
      began.scopes.every((scope) => now.scopes.includes(scope)) &&
      coversGroups(now.serverGroups, began.serverGroups)
    );
  } catch (error) {
    // Auth may be restarting; that is no answer.
    const { code } = RahatError.from(error);
    return code !== 'unauthenticated' && code !== 'forbidden';
  }
}
