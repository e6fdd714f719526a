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

  async subjectOf(credential: string, address: string): Promise<AuthenticatedSubject> {
    const key = createHash('sha256').update(credential).digest('base64');
    const known = this.answers.get(key);
    if (known !== undefined && known.until > this.now()) {
      const subject = await known.subject;
      if (Date.parse(subject.expiresAt) > this.now()) return subject;
    }
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

  private forgetOldest(): void {
    if (this.answers.size <= MOST_CREDENTIALS) return;
    const oldest = this.answers.keys().next().value;
    if (oldest !== undefined) this.answers.delete(oldest);
  }
}
