import { createHash } from 'node:crypto';
import type { AuthenticatedSubject } from '@rahat/contracts';

/** Revocation is honoured within this time; promised are 10 seconds. */
const HOLD_MS = 5_000;
const MOST_CREDENTIALS = 10_000;

/** Answers of auth, kept for seconds under the credential's hash. Refusals are not kept. */
export class SubjectCache {
  private readonly answers = new Map<string, { until: number; subject: Promise<AuthenticatedSubject> }>();

  constructor(
    private readonly ask: (credential: string, address: string) => Promise<AuthenticatedSubject>,
    private readonly now: () => number = Date.now,
  ) {}

  /** Undefined when auth has to be asked. */
  async known(credential: string): Promise<AuthenticatedSubject | undefined> {
    return this.unexpired(this.answerAt(keyOf(credential)));
  }

  async subjectOf(credential: string, address: string): Promise<AuthenticatedSubject> {
    const key = keyOf(credential);
    const answer = this.answerAt(key);
    // Where there is none nothing is waited for: before the question below others would ask as well.
    const known = answer && (await this.unexpired(answer));
    if (known !== undefined) return known;
    const subject = this.ask(credential, address);
    this.answers.delete(key);
    this.answers.set(key, { until: this.now() + HOLD_MS, subject });
    this.forgetOldest();
    try {
      return await subject;
    } catch (error) {
      if (this.answers.get(key)?.subject === subject) this.answers.delete(key);
      throw error;
    }
  }

  private answerAt(key: string): Promise<AuthenticatedSubject> | undefined {
    const answer = this.answers.get(key);
    return answer !== undefined && answer.until > this.now() ? answer.subject : undefined;
  }

  private async unexpired(answer: Promise<AuthenticatedSubject> | undefined): Promise<AuthenticatedSubject | undefined> {
    const subject = await answer;
    return subject && Date.parse(subject.expiresAt) > this.now() ? subject : undefined;
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
