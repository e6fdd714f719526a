import { RahatError, type LoginChallenge, type LoginRequest, type PasskeyAssertion, type SecondFactorLogin } from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { FirstStart } from '../organizations/first-start.js';
import type { PasskeyCeremonies } from '../passkeys/passkey-ceremonies.js';
import { forgiveAttempt, reserveAttempt, reserveTry } from '../passwords/login-failures.js';
import { passwordMatches } from '../passwords/password-hash.js';
import type { Signer, SigningKeys } from '../signing-keys/signing-keys.js';
import { authItself, recordActOf, type Who } from '../trail/trail.js';
import { methodsOf, type SecondFactors } from '../two-factor/second-factors.js';
import { CHALLENGE_SECONDS, endChallenge, findChallenge, issueChallenge, tryChallenge } from './login-challenges.js';
import { startSession, type LogInMethod, type StartedSession } from './session-issuer.js';

export type LogInOutcome =
  | { outcome: 'started'; started: StartedSession }
  | { outcome: 'challenged'; challenge: LoginChallenge }
  | { outcome: 'refused'; because: 'unauthenticated' | 'second_factor_refused' | 'challenge_ended' }
  | { outcome: 'wait'; seconds: number };

/** Where a request comes from. */
export interface Asker {
  address: string;
  userAgent?: string;
}

/** Who showed a first proof, and how. */
export interface ProvenUser {
  id: string;
  organization: string;
  name: string;
  method: LogInMethod;
  /** What came with the first proof counts as the second one. */
  secondFactor: boolean;
}

interface KnownUser {
  id: string;
  organization_id: string;
  name: string;
  password_hash: string | null;
}

/** The way in, in steps: a first proof, a second one where it is due, then a session. Each step slows down who guesses. */
export class LogInService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly keys: SigningKeys,
    private readonly firstStart: FirstStart,
    private readonly factors: SecondFactors,
    private readonly passkeys: PasskeyCeremonies,
  ) {}

  async byPassword(request: LoginRequest, from: Asker): Promise<LogInOutcome> {
    const seconds = await reserveTry(this.database, request.email, from.address);
    if (seconds > 0) return { outcome: 'wait', seconds };
    const user = await this.userByEmail(request.email);
    const matches = await passwordMatches(user?.password_hash ?? undefined, request.password);
    if (user === undefined || !matches) {
      await this.recordRefusal(user, from.address, 'Wrong e-mail or password.');
      return { outcome: 'refused', because: 'unauthenticated' };
    }
    const proven = { id: user.id, organization: user.organization_id, name: user.name, method: 'password' as const, secondFactor: false };
    return this.goOn(proven, from, (transaction) => forgiveAttempt(transaction, request.email, from.address));
  }

  /** A passkey that verified its user is something they have and something they are or know. */
  async byPasskey(passkey: PasskeyAssertion, from: Asker): Promise<LogInOutcome> {
    const seconds = await this.database.asSystem('count a log-in attempt', (transaction) =>
      reserveAttempt(transaction, 'address', from.address),
    );
    if (seconds > 0) return { outcome: 'wait', seconds };
    const shown = await this.database.asSystem('find a user by passkey', async (transaction) => {
      const found = await this.passkeys.verify(transaction, passkey, { purpose: 'log-in' });
      if (found === undefined) return undefined;
      const [user] = await transaction.query<{ name: string; organization_id: string }>(
        `SELECT u.name, u.organization_id FROM users u JOIN memberships m ON m.user_id = u.id AND m.organization_id = u.organization_id WHERE u.id = $1`,
        [found.user],
      );
      return user && { id: found.user, organization: user.organization_id, name: user.name };
    });
    if (shown === undefined) {
      await this.recordRefusal(undefined, from.address, 'The passkey was refused.');
      return { outcome: 'refused', because: 'unauthenticated' };
    }
    const proven = { ...shown, method: 'passkey' as const, secondFactor: true };
    return this.goOn(proven, from, (transaction) => forgiveAttempt(transaction, undefined, from.address));
  }

  /** After any first proof: a session, or the question for a second proof. `also` commits with it. */
  async goOn(user: ProvenUser, from: Asker, also: (transaction: Transaction) => Promise<void>): Promise<LogInOutcome> {
    const signer = await this.keys.signer();
    return this.database.inOrganization(user.organization, async (transaction): Promise<LogInOutcome> => {
      await also(transaction);
      const enough = user.secondFactor || (user.method === 'sign-on' && (await signOnIsEnough(transaction, user.organization)));
      const methods = enough ? [] : methodsOf(await this.factors.enrolled(transaction, user.id));
      if (methods.length === 0) return { outcome: 'started', started: await this.start(transaction, signer, user, from) };
      const challenge = await issueChallenge(transaction, user, user.method);
      return { outcome: 'challenged', challenge: { challenge, expiresInSeconds: CHALLENGE_SECONDS, methods } };
    });
  }

  async bySecondFactor({ challenge, proof }: SecondFactorLogin, from: Asker): Promise<LogInOutcome> {
    const user = await this.challenged(challenge);
    if (user === undefined) return { outcome: 'refused', because: 'challenge_ended' };
    const account = secondFactorAccount(user.id);
    const seconds = await reserveTry(this.database, account, from.address);
    if (seconds > 0) return { outcome: 'wait', seconds };
    const signer = await this.keys.signer();
    return this.database.inOrganization(user.organization, async (transaction): Promise<LogInOutcome> => {
      if (!(await tryChallenge(transaction, challenge))) return { outcome: 'refused', because: 'challenge_ended' };
      const used = await this.factors.use(transaction, user.id, proof);
      if (used === undefined) {
        await this.record(transaction, user, from.address, 'second_factor.refused', { kind: Object.keys(proof)[0] });
        return { outcome: 'refused', because: 'second_factor_refused' };
      }
      await endChallenge(transaction, challenge);
      await forgiveAttempt(transaction, account, from.address);
      if (used === 'recovery_code') await this.record(transaction, user, from.address, 'recovery_code.used', {});
      const started = await this.start(transaction, signer, { ...user, secondFactor: true }, from, used);
      return { outcome: 'started', started };
    });
  }

  /** What the browser asks the authenticator: for the second step of a log-in, or for the whole of one. */
  async passkeyOptions(challenge: string | undefined): Promise<object> {
    const user = challenge === undefined ? undefined : await this.challenged(challenge);
    if (challenge !== undefined && user === undefined) throw new RahatError('challenge_ended', 'This log-in is over.');
    return this.database.asSystem('ask for a passkey', (transaction) => this.passkeys.assertionOptions(transaction, user?.id));
  }

  private async start(transaction: Transaction, signer: Signer, user: ProvenUser, from: Asker, factor?: string): Promise<StartedSession> {
    await removeOldSessions(transaction);
    const started = await startSession(transaction, signer, { ...user, ...from });
    const who: Who = { organization: user.organization, actor: { kind: 'user', id: user.id, name: user.name, address: from.address } };
    await recordActOf(this.outbox, transaction, who, {
      action: 'session.started',
      target: { kind: 'session', id: started.session },
      details: { method: user.method, ...(factor === undefined ? {} : { secondFactor: factor }) },
    });
    return started;
  }

  private async challenged(challenge: string) {
    return this.database.asSystem('find a log-in that waits', (transaction) => findChallenge(transaction, challenge));
  }

  private async userByEmail(email: string): Promise<KnownUser | undefined> {
    return this.database.asSystem('find a user by e-mail', async (transaction) => {
      const [user] = await transaction.query<KnownUser>(
        `SELECT u.id, u.organization_id, u.name, u.password_hash FROM users u JOIN memberships m ON m.user_id = u.id AND m.organization_id = u.organization_id WHERE lower(u.email) = lower($1)`,
        [email],
      );
      return user;
    });
  }

  private async record(
    transaction: Transaction,
    user: { id: string; organization: string; name?: string },
    address: string,
    action: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    await recordActOf(this.outbox, transaction, authItself(user.organization, address), {
      action,
      target: { kind: 'user', id: user.id, name: user.name },
      details,
    });
  }

  /** What was typed is not kept: people type passwords into the wrong field. */
  private async recordRefusal(user: KnownUser | undefined, address: string, reason: string): Promise<void> {
    const organization = user?.organization_id ?? (await this.firstStart.defaultOrganization());
    await this.database.inOrganization(organization, (transaction) =>
      this.record(transaction, { id: user?.id ?? 'unknown', organization, name: user?.name }, address, 'session.refused', {
        reason,
      }),
    );
  }
}

async function signOnIsEnough(transaction: Transaction, organization: string): Promise<boolean> {
  const enough = await transaction.query(`SELECT FROM organizations WHERE organization_id = $1 AND sign_on_counts_as_second_factor`, [
    organization,
  ]);
  return enough.length > 0;
}

/** Counted apart from passwords: a right password, however often it is given, buys no more guesses at a code. */
export function secondFactorAccount(user: string): string {
  return `second-factor/${user}`;
}

/** Long after a session's end nobody asks for it, nor for its refresh tokens. */
async function removeOldSessions(transaction: Transaction): Promise<void> {
  await transaction.query(
    `DELETE FROM refresh_tokens t USING sessions s WHERE s.id = t.session_id AND s.expires_at < now() - interval '7 days'`,
  );
  await transaction.query(`DELETE FROM sessions WHERE expires_at < now() - interval '7 days'`);
}
