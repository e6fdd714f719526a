import {
  RahatError,
  type BeginDeviceLogin,
  type DeviceLogin,
  type DeviceLoginRequest,
  type Principal,
  type TokenPair,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import { recordAct } from '@rahat/service-kit';
import { forgiveAttempt, reserveTry } from '../passwords/login-failures.js';
import type { Asker } from '../sessions/log-in.service.js';
import { DEVICE_PREFIX, newOpaqueToken, tokenHash } from '../sessions/opaque-token.js';
import { startSession, type LogInMethod } from '../sessions/session-issuer.js';
import { CONSONANTS, newTypedCode, typedCodeHash } from '../setup/typed-code.js';
import type { Signer, SigningKeys } from '../signing-keys/signing-keys.js';
import { recordActOf, type Who } from '../trail/trail.js';
import { personalSession } from '../two-factor/fresh-proof.js';

const EXPIRES_SECONDS = 900;
/** RFC 8628 §3.5: five seconds, and five more whenever somebody asks too often. */
const INTERVAL_SECONDS = 5;

export type TakeOutcome =
  | { outcome: 'taken'; tokens: TokenPair }
  | { outcome: 'authorization_pending' | 'slow_down' | 'device_login_expired' | 'device_login_denied' };

interface Waiting {
  state: 'pending' | 'approved' | 'denied' | 'delivered';
  client: string;
  over: boolean;
  too_soon: boolean;
}

interface Approver {
  user_id: string;
  organization_id: string;
  name: string;
  second_factor: boolean;
  method: LogInMethod;
}

interface Asking {
  client: string;
  address: string;
  created_at: Date;
  expires_at: Date;
}

/** Lets a device in that has no browser of its own: it shows a code, and a logged-in person says yes to it elsewhere. */
export class DeviceLoginService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly outbox: Outbox,
    private readonly keys: SigningKeys,
    private readonly publicUrl: string | undefined,
  ) {}

  async begin({ client }: BeginDeviceLogin, address: string): Promise<DeviceLogin> {
    const deviceCode = newOpaqueToken(DEVICE_PREFIX);
    const userCode = newTypedCode(2, CONSONANTS);
    await this.database.asSystem('begin a log-in of a device', async (transaction) => {
      await transaction.query(`DELETE FROM device_logins WHERE expires_at < now() - interval '1 hour'`);
      await transaction.query(
        `INSERT INTO device_logins (device_hash, user_code_hash, client, address, interval_seconds, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))`,
        [tokenHash(deviceCode), typedCodeHash(userCode), client, address, INTERVAL_SECONDS, EXPIRES_SECONDS],
      );
    });
    const verificationUri = `${this.publicUrl?.replace(/\/+$/, '') ?? ''}/device`;
    return {
      deviceCode,
      userCode,
      verificationUri,
      verificationUriComplete: `${verificationUri}?code=${userCode}`,
      expiresInSeconds: EXPIRES_SECONDS,
      intervalSeconds: INTERVAL_SECONDS,
    };
  }

  /** Gives the tokens to whoever asks first after the approval, and to nobody after that. */
  async take(deviceCode: string, from: Asker): Promise<TakeOutcome> {
    const signer = await this.keys.signer();
    return this.database.asSystem('hand tokens to a device', async (transaction): Promise<TakeOutcome> => {
      const hash = tokenHash(deviceCode);
      const [waiting] = await transaction.query<Waiting>(
        `SELECT state, client, expires_at <= now() AS over, coalesce(polled_at > clock_timestamp() - make_interval(secs => interval_seconds), false) AS too_soon
         FROM device_logins WHERE device_hash = $1 FOR UPDATE`,
        [hash],
      );
      if (waiting === undefined || waiting.over) return { outcome: 'device_login_expired' };
      switch (waiting.state) {
        case 'delivered':
          return { outcome: 'device_login_expired' };
        case 'denied':
          return { outcome: 'device_login_denied' };
        case 'pending':
          await transaction.query(
            `UPDATE device_logins SET polled_at = clock_timestamp(), interval_seconds = interval_seconds + $2 WHERE device_hash = $1`,
            [hash, waiting.too_soon ? INTERVAL_SECONDS : 0],
          );
          return { outcome: waiting.too_soon ? 'slow_down' : 'authorization_pending' };
        case 'approved':
          return this.deliver(transaction, signer, hash, waiting.client, from);
      }
    });
  }

  private async deliver(transaction: Transaction, signer: Signer, hash: Buffer, client: string, from: Asker): Promise<TakeOutcome> {
    const [approver] = await transaction.query<Approver>(
      `SELECT d.user_id, d.organization_id, u.name, s.second_factor, s.method
       FROM device_logins d JOIN sessions s ON s.id = d.approving_session JOIN users u ON u.id = d.user_id
         JOIN memberships m ON m.user_id = d.user_id AND m.organization_id = d.organization_id
       WHERE d.device_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > now()`,
      [hash],
    );
    // Who approved it was thrown out in the meantime.
    if (approver === undefined) return { outcome: 'device_login_denied' };
    await transaction.query(`UPDATE device_logins SET state = 'delivered' WHERE device_hash = $1`, [hash]);
    const started = await startSession(transaction, signer, {
      id: approver.user_id,
      organization: approver.organization_id,
      ...from,
      // It reaches as far as the session that let it in, and no further.
      method: approver.method === 'sign-on' ? 'sign-on' : 'device',
      secondFactor: approver.second_factor,
      provenNow: false,
    });
    const who: Who = {
      organization: approver.organization_id,
      actor: { kind: 'user', id: approver.user_id, name: approver.name, address: from.address },
    };
    await recordActOf(this.outbox, transaction, who, {
      action: 'session.started',
      target: { kind: 'session', id: started.session },
      details: { method: 'device', client },
    });
    return { outcome: 'taken', tokens: started.tokens };
  }

  /** Who asks, from where and since when: what a person has to see before saying yes. */
  async look(principal: Principal, userCode: string): Promise<DeviceLoginRequest> {
    const { client, address, created_at, expires_at } = await this.withCode(principal, userCode, (transaction, hash) =>
      transaction.query<Asking>(
        `SELECT client, address, created_at, expires_at FROM device_logins WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > now()`,
        [hash],
      ),
    );
    return { userCode, client, address, askedAt: created_at.toISOString(), expiresAt: expires_at.toISOString() };
  }

  async decide(principal: Principal, userCode: string, decision: 'approved' | 'denied'): Promise<void> {
    const session = personalSession(principal);
    const approver = decision === 'approved' ? [principal.organization, principal.subject, session] : [null, null, null];
    await this.withCode(principal, userCode, async (transaction, hash) => {
      const decided = await transaction.query<Asking>(
        `UPDATE device_logins SET state = $2, organization_id = $3, user_id = $4, approving_session = $5
         WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > now() RETURNING client, address, created_at, expires_at`,
        [hash, decision, ...approver],
      );
      for (const { client, address } of decided)
        await recordAct(this.outbox, transaction, principal, {
          action: `device_login.${decision}`,
          target: { kind: 'user', id: principal.subject, name: principal.name },
          details: { client, address },
        });
      return decided;
    });
  }

  /** A user code is short: wrong ones are counted, of each user and of each address. */
  private async withCode(
    principal: Principal,
    userCode: string,
    find: (transaction: Transaction, hash: Buffer) => Promise<Asking[]>,
  ): Promise<Asking> {
    personalSession(principal);
    const account = `device-code/${principal.subject}`;
    const seconds = await reserveTry(this.database, account, principal.address);
    if (seconds > 0) throw new RahatError('rate_limited', `Too many wrong codes. Try again in ${seconds} s.`);
    const [asking] = await this.database.asSystem('find a log-in of a device by its code', async (transaction) => {
      const found = await find(transaction, typedCodeHash(userCode));
      if (found.length > 0) await forgiveAttempt(transaction, account, principal.address);
      return found;
    });
    if (asking === undefined)
      throw new RahatError('not_found', 'No device waits with this code.', {
        hint: 'A code holds for 15 minutes; ask the device for a new one.',
      });
    return asking;
  }
}
