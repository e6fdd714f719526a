import { randomBytes } from 'node:crypto';
import { RahatError, type PasskeyAssertion, type PasskeyAttestation } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { tokenHash } from '../sessions/opaque-token.js';

type Purpose = 'register' | 'log-in' | 'second-factor';

const CHALLENGE_SECONDS = 300;
const RP_NAME = 'Rahat Backup';

export interface NewCredential {
  credentialId: string;
  publicKey: Buffer;
  counter: number;
  transports: string[];
  backedUp: boolean;
}

export interface ShownPasskey {
  id: string;
  name: string;
  user: string;
}

interface PasskeyRow {
  id: string;
  name: string;
  credential_id: string;
  user_id: string;
  public_key: Buffer;
  counter: string;
  transports: string[];
}

/** What is said between an authenticator and us: each challenge is of one purpose and one user, and is answered once. */
export class PasskeyCeremonies {
  constructor(private readonly publicUrl: string | undefined) {}

  async registrationOptions(transaction: Transaction, user: { id: string; email: string; name: string }): Promise<object> {
    const existing = await transaction.query<PasskeyRow>(`SELECT credential_id, transports FROM passkeys WHERE user_id = $1`, [user.id]);
    return generateRegistrationOptions({
      rpName: RP_NAME,
      rpID: this.site().id,
      userName: user.email,
      userDisplayName: user.name,
      userID: new Uint8Array(Buffer.from(user.id)),
      challenge: await newChallenge(transaction, 'register', user.id),
      attestationType: 'none',
      excludeCredentials: existing.map((row) => ({ id: row.credential_id, transports: row.transports })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    });
  }

  /** Undefined when the answer is not to a challenge of ours, not of our pages, or not signed by what it says. */
  async checkRegistration(transaction: Transaction, user: string, response: PasskeyAttestation): Promise<NewCredential | undefined> {
    const { id, origin } = this.site();
    const challenge = await takeChallenge(transaction, response.response.clientDataJSON, 'register', user);
    if (challenge === undefined) return undefined;
    const checked = await orUndefined(() =>
      verifyRegistrationResponse({
        response: response as Parameters<typeof verifyRegistrationResponse>[0]['response'],
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: id,
        // A key without user verification is a second factor, and no log-in of its own.
        requireUserVerification: false,
      }),
    );
    if (!checked?.verified) return undefined;
    const { credential, credentialBackedUp } = checked.registrationInfo;
    return {
      credentialId: credential.id,
      publicKey: Buffer.from(credential.publicKey),
      counter: credential.counter,
      transports: response.response.transports ?? [],
      backedUp: credentialBackedUp,
    };
  }

  /** Without a user for a log-in by the passkey alone: whose it is says the authenticator. */
  async assertionOptions(transaction: Transaction, user?: string): Promise<object> {
    const mine = user === undefined ? [] : await this.credentialsOf(transaction, user);
    return generateAuthenticationOptions({
      rpID: this.site().id,
      challenge: await newChallenge(transaction, user === undefined ? 'log-in' : 'second-factor', user),
      allowCredentials: mine.map((row) => ({ id: row.credential_id, transports: row.transports })),
      userVerification: user === undefined ? 'required' : 'preferred',
    });
  }

  /** A passkey as the whole log-in has to have verified its user; as a second factor its presence is enough. */
  async verify(
    transaction: Transaction,
    response: PasskeyAssertion,
    as: { purpose: 'log-in' } | { purpose: 'second-factor'; user: string },
  ): Promise<ShownPasskey | undefined> {
    const { id, origin } = this.site();
    const user = as.purpose === 'log-in' ? undefined : as.user;
    const challenge = await takeChallenge(transaction, response.response.clientDataJSON, as.purpose, user);
    if (challenge === undefined) return undefined;
    const [row] = await transaction.query<PasskeyRow>(
      `SELECT id, name, credential_id, user_id, public_key, counter, transports FROM passkeys
       WHERE credential_id = $1 AND ($2::text IS NULL OR user_id = $2) FOR UPDATE`,
      [response.id, user ?? null],
    );
    if (row === undefined || !handleFits(response.response.userHandle, row.user_id)) return undefined;
    const checked = await orUndefined(() =>
      verifyAuthenticationResponse({
        response: response as Parameters<typeof verifyAuthenticationResponse>[0]['response'],
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: id,
        requireUserVerification: as.purpose === 'log-in',
        credential: {
          id: row.credential_id,
          publicKey: new Uint8Array(row.public_key),
          counter: Number(row.counter),
          transports: row.transports,
        },
      }),
    );
    if (!checked?.verified) return undefined;
    await transaction.query(`UPDATE passkeys SET counter = $2, backed_up = $3, used_at = now() WHERE id = $1`, [
      row.id,
      checked.authenticationInfo.newCounter,
      checked.authenticationInfo.credentialBackedUp,
    ]);
    return { id: row.id, name: row.name, user: row.user_id };
  }

  private async credentialsOf(transaction: Transaction, user: string): Promise<PasskeyRow[]> {
    return transaction.query<PasskeyRow>(`SELECT credential_id, transports FROM passkeys WHERE user_id = $1`, [user]);
  }

  /** A passkey is bound to the name at which browsers reach us, so somebody has to have said it. */
  private site(): { id: string; origin: string } {
    if (this.publicUrl === undefined)
      throw new RahatError('conflict', 'Passkeys need to know at which address browsers reach Rahat Backup.', {
        hint: 'Who operates it sets RAHAT_PUBLIC_URL, e.g. https://backup.example.org.',
      });
    const url = new URL(this.publicUrl);
    return { id: url.hostname, origin: url.origin };
  }
}

async function newChallenge(transaction: Transaction, purpose: Purpose, user?: string): Promise<Uint8Array<ArrayBuffer>> {
  const challenge = new Uint8Array(randomBytes(32));
  await transaction.query(`DELETE FROM passkey_challenges WHERE expires_at < now()`);
  await transaction.query(
    `INSERT INTO passkey_challenges (hash, purpose, user_id, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))`,
    [tokenHash(Buffer.from(challenge).toString('base64url')), purpose, user ?? null, CHALLENGE_SECONDS],
  );
  return challenge;
}

/** The challenge that the browser says it answers, if it is ours, and was not answered before. */
async function takeChallenge(
  transaction: Transaction,
  clientDataJSON: string,
  purpose: Purpose,
  user?: string,
): Promise<string | undefined> {
  const challenge = challengeIn(clientDataJSON);
  if (challenge === undefined) return undefined;
  const taken = await transaction.query(
    `DELETE FROM passkey_challenges WHERE hash = $1 AND purpose = $2 AND user_id IS NOT DISTINCT FROM $3 AND expires_at > now() RETURNING hash`,
    [tokenHash(challenge), purpose, user ?? null],
  );
  return taken.length > 0 ? challenge : undefined;
}

function challengeIn(clientDataJSON: string): string | undefined {
  try {
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8')) as { challenge?: unknown };
    return typeof challenge === 'string' ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** A discoverable passkey says whose it is; that must be who it was registered for. */
function handleFits(userHandle: string | undefined, user: string): boolean {
  return userHandle === undefined || Buffer.from(userHandle, 'base64url').toString('utf8') === user;
}

/** The library throws at everything that is wrong with an answer; which it was is of use to an attacker only. */
async function orUndefined<T>(check: () => Promise<T>): Promise<T | undefined> {
  try {
    return await check();
  } catch {
    return undefined;
  }
}
