import { randomUUID } from 'node:crypto';
import type { ServiceDatabase } from '@rahat/persistence';
import { CLAIM_SECONDS, KEPT_SECONDS, type AnswerStore, type Claim, type ClaimedRequest, type KeptAnswer } from './answer-store.js';

interface Row {
  fingerprint: string;
  settled: boolean;
  answer: KeptAnswer | null;
}

export class PostgresqlAnswers implements AnswerStore {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly claimSeconds = CLAIM_SECONDS,
  ) {}

  async claim(request: ClaimedRequest): Promise<Claim> {
    const { organization, id, fingerprint } = request;
    const token = randomUUID();
    return this.database.inOrganization(organization, async (transaction) => {
      for (;;) {
        const mine = await transaction.query(
          `INSERT INTO kept_answers AS known (organization_id, id, fingerprint, token, settled, expires_at)
           VALUES ($1, $2, $3, $4, false, now() + make_interval(secs => $5))
           ON CONFLICT (organization_id, id) DO UPDATE
             SET fingerprint = excluded.fingerprint, token = excluded.token, settled = false, answer = NULL, expires_at = excluded.expires_at
             WHERE known.expires_at <= now()
           RETURNING 1 AS mine`,
          [organization, id, fingerprint, token, this.claimSeconds],
        );
        if (mine.length > 0) return { state: 'mine', token };
        const [known] = await transaction.query<Row>(`SELECT fingerprint, settled, answer FROM kept_answers WHERE id = $1`, [id]);
        // It was released between the two looks.
        if (known === undefined) continue;
        if (known.fingerprint !== fingerprint) return { state: 'other' };
        return known.settled ? { state: 'done', answer: known.answer } : { state: 'under-way' };
      }
    });
  }

  async renew(request: ClaimedRequest, token: string): Promise<void> {
    await this.change(request, token, `UPDATE kept_answers SET expires_at = now() + make_interval(secs => $3)`, [this.claimSeconds]);
  }

  async settle(request: ClaimedRequest, token: string, answer: KeptAnswer | null): Promise<void> {
    await this.change(
      request,
      token,
      `UPDATE kept_answers SET settled = true, expires_at = now() + make_interval(secs => $3), answer = $4::json`,
      [KEPT_SECONDS, answer === null ? null : JSON.stringify(answer)],
    );
  }

  async release(request: ClaimedRequest, token: string): Promise<void> {
    await this.change(request, token, `DELETE FROM kept_answers`, []);
  }

  private async change({ organization, id }: ClaimedRequest, token: string, statement: string, values: unknown[]): Promise<void> {
    await this.database.inOrganization(organization, (transaction) =>
      transaction.query(`${statement} WHERE id = $1 AND token = $2 AND NOT settled`, [id, token, ...values]),
    );
  }
}
