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
    const subject = await this.answerTo(credential);
    return subject && Date.parse(subject.expiresAt) > this.now() ? subject : undefined;
  }

  async subjectOf(credential: string, address: string): Promise<AuthenticatedSubject> {
    // Not by `known` alone: between a look that waits and the question below others would ask as well.
    if (this.answerTo(credential) !== undefined) {
      const known = await this.known(credential);
      if (known !== undefined) return known;
    }
    const key = keyOf(credential);
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

  private answerTo(credential: string): Promise<AuthenticatedSubject> | undefined {
    const answer = this.answers.get(keyOf(credential));
    return answer !== undefined && answer.until > this.now() ? answer.subject : undefined;
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
