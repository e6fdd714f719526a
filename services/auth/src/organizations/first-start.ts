import { newId, RahatError } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import { newSetupToken, SETUP_TOKEN_MINUTES, setupTokenHash } from '../setup/setup-token.js';

/** What exists before anybody does: the default organization, and the token that lets its owner in. */
export class FirstStart {
  private known: Promise<string> | undefined;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.defaultOrganization();
  }

  /** The oldest organization, made when there is none: the platform's own backups belong to it, the first owner joins it. */
  async defaultOrganization(): Promise<string> {
    // It never changes; and a log-in of an unknown user, which asks for it, must not take longer than another.
    this.known ??= this.findOrMakeOrganization();
    try {
      return await this.known;
    } catch (error) {
      this.known = undefined;
      throw error;
    }
  }

  private async findOrMakeOrganization(): Promise<string> {
    return this.database.asSystem('find or make the default organization', async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.auth.default-organization', 0))`);
      const [oldest] = await transaction.query<{ organization_id: string }>(
        `SELECT organization_id FROM organizations ORDER BY created_at, organization_id LIMIT 1`,
      );
      if (oldest !== undefined) return oldest.organization_id;
      const organization = newId('organization');
      const name = 'My organization';
      await transaction.query(`INSERT INTO organizations (organization_id, name) VALUES ($1, $2)`, [organization, name]);
      await this.outbox.event(transaction, 'organization.created.v1', { organization, name, at: new Date().toISOString() });
      return organization;
    });
  }

  async ownerExists(): Promise<boolean> {
    return this.database.asSystem('look for an owner', async (transaction) => {
      const [row] = await transaction.query<{ found: boolean }>(`SELECT EXISTS (SELECT FROM memberships WHERE role = 'owner') AS found`);
      if (row === undefined) throw new RahatError('internal', 'The database gave no answer about owners.');
      return row.found;
    });
  }

  /** A fresh one-time set-up token for the console; undefined when there is an owner. Only its hash is kept. */
  async setupToken(): Promise<string | undefined> {
    if (await this.ownerExists()) return undefined;
    const token = newSetupToken();
    await this.database.asSystem('issue a set-up token', async (transaction) => {
      await transaction.query(`DELETE FROM setup_tokens WHERE expires_at < now()`);
      await transaction.query(`INSERT INTO setup_tokens (hash, expires_at) VALUES ($1, now() + make_interval(mins => $2))`, [
        setupTokenHash(token),
        SETUP_TOKEN_MINUTES,
      ]);
    });
    return token;
  }
}
