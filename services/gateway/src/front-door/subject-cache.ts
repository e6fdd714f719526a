import { createHash } from 'node:crypto';
import type { AuthenticatedSubject } from '@rahat/contracts';

/** Revocation is honoured within this time; promised are 10 seconds. */
const HOLD_MS = 5_000;
/** Answers of what is in use are made anew so often, and have the rest of their time to come. */
const ASK_AGAIN_MS = 2_000;
/** People think between two pages; who thinks for longer is asked about by himself. */
const IN_USE_MS = 20_000;
const ASKED_AT_ONCE = 200;
const MOST_CREDENTIALS = 10_000;

/** A credential, and where it came from. */
export interface Asked {
  credential: string;
  address: string;
}

/** Who says who is behind a credential. */
export interface Authority {
  ask(asked: Asked): Promise<AuthenticatedSubject>;
  /** Of many at once, in their order; null for one that lets nobody in any more. */
  askAgain(asked: readonly Asked[]): Promise<(AuthenticatedSubject | null)[]>;
}

interface Known extends Asked {
  usedAt: number;
  until: number;
  subject: Promise<AuthenticatedSubject>;
}

/**
 * Answers of auth, kept for seconds under the credential's hash. Refusals are not kept. What was used just now is asked about again, all of it
 * together, before its time is over: a thousand people who open a page each ten seconds would be a question each.
 */
export class SubjectCache {
  private readonly answers = new Map<string, Known>();
  private asking: NodeJS.Timeout | undefined;
  private isAsking = false;

  constructor(
    private readonly authority: Authority,
    private readonly now: () => number = Date.now,
  ) {}

  /** Undefined when auth has to be asked. */
  async known(asked: Asked): Promise<AuthenticatedSubject | undefined> {
    return this.unexpired(this.answerTo(keyOf(asked.credential), asked));
  }

  async subjectOf(asked: Asked): Promise<AuthenticatedSubject> {
    const key = keyOf(asked.credential);
    const answer = this.answerTo(key, asked);
    // Where there is none nothing is waited for: before the question below others would ask as well.
    const known = answer && (await this.unexpired(answer));
    if (known !== undefined) return known;
    const now = this.now();
    const subject = this.authority.ask(asked);
    this.answers.delete(key);
    this.answers.set(key, { ...asked, usedAt: now, until: now + HOLD_MS, subject });
    this.forgetOldest();
    this.asking ??= setInterval(() => void this.askAgain(), ASK_AGAIN_MS).unref();
    try {
      return await subject;
    } catch (error) {
      if (this.answers.get(key)?.subject === subject) this.answers.delete(key);
      throw error;
    }
  }

  /** What gets no answer runs out as if nobody had asked. */
  async askAgain(): Promise<void> {
    this.forgetPast();
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      const now = this.now();
      const inUse = [...this.answers].filter(
        ([, { usedAt, until }]) => usedAt > now - IN_USE_MS && until <= now + HOLD_MS - ASK_AGAIN_MS / 2,
      );
      for (let start = 0; start < inUse.length; start += ASKED_AT_ONCE) await this.askAbout(inUse.slice(start, start + ASKED_AT_ONCE));
    } catch {
      // Whose answer runs out is asked about by himself, and hears what is wrong.
    } finally {
      this.isAsking = false;
    }
  }

  private async askAbout(some: [string, Known][]): Promise<void> {
    const until = this.now() + HOLD_MS;
    const subjects = await this.authority.askAgain(some.map(([, { credential, address }]) => ({ credential, address })));
    some.forEach(([key, known], index) => {
      // What was forgotten or asked meanwhile is left as it is.
      if (this.answers.get(key) !== known) return;
      const subject = subjects[index];
      if (subject) Object.assign(known, { until, subject: Promise.resolve(subject) });
      else this.answers.delete(key);
    });
  }

  private answerTo(key: string, { address }: Asked): Promise<AuthenticatedSubject> | undefined {
    const known = this.answers.get(key);
    if (known === undefined || known.until <= this.now()) return undefined;
    Object.assign(known, { usedAt: this.now(), address });
    return known.subject;
  }

  private async unexpired(answer: Promise<AuthenticatedSubject> | undefined): Promise<AuthenticatedSubject | undefined> {
    const subject = await answer;
    return subject && Date.parse(subject.expiresAt) > this.now() ? subject : undefined;
  }

  /** Credentials stay in memory for no longer than they are of use. */
  private forgetPast(): void {
    const now = this.now();
    for (const [key, { until }] of this.answers) if (until <= now) this.answers.delete(key);
    if (this.answers.size > 0) return;
    clearInterval(this.asking);
    this.asking = undefined;
  }

  private forgetOldest(): void {
    if (this.answers.size <= MOST_CREDENTIALS) return;
    const oldest = this.answers.keys().next().value;
    if (oldest !== undefined) this.answers.delete(oldest);
  }
}

function keyOf(credential: string): string {
  return createHash('sha256').update(credential).digest('base64');
}
