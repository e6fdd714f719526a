import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportJWK, exportPKCS8, generateKeyPair, importJWK, importPKCS8, type CryptoKey, type JWK } from 'jose';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { SecretBox, SecretPlace } from '@rahat/secrets';
import { ACCESS_TOKEN_SECONDS } from './access-token.js';

const RELOAD_AFTER_MS = 30_000;
/** An unknown key id makes us look again, but not more often than this: token spam must not become query spam. */
const LOOK_AGAIN_AFTER_MS = 500;

/** Asked for before a transaction begins: it may need a connection of its own. */
export interface Signer {
  kid: string;
  privateKey: CryptoKey;
}

interface SigningKey extends Signer {
  publicJwk: JWK;
  publicKey: CryptoKey;
  signsUntil: Date;
}

/** The ES256 keys of access tokens: kept in the database, private halves sealed, replaced before they grow old. */
export class SigningKeys {
  private keys = new Map<string, SigningKey>();
  /** When the question began whose answer `keys` is. */
  private loadedAt = 0;
  private loading: Promise<void> | undefined;
  private lookingAgain: Promise<void> | undefined;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly secretBox: SecretBox,
    private readonly keyDays: number,
  ) {}

  /** The youngest key that may sign; makes the next one when the last is due. */
  async signer(): Promise<Signer> {
    if (Date.now() - this.loadedAt > RELOAD_AFTER_MS) await this.load();
    const key = this.youngest();
    if (key !== undefined && key.signsUntil.getTime() > Date.now()) return key;
    await this.rotate('due');
    return this.youngest()!;
  }

  /** Another replica may have made the key just now, so an unknown one is waited for until we have looked after it was asked for. */
  async publicKeyOf(kid: string): Promise<CryptoKey | undefined> {
    const askedAt = Date.now();
    if (this.keys.has(kid) && askedAt - this.loadedAt > RELOAD_AFTER_MS) await this.load();
    while (!this.keys.has(kid) && this.loadedAt <= askedAt) await this.lookAgain();
    return this.keys.get(kid)?.publicKey;
  }

  async jwks(): Promise<{ keys: JWK[] }> {
    await this.signer();
    return { keys: [...this.keys.values()].map((key) => key.publicJwk) };
  }

  /** `now` replaces a key before its time, e.g. after a leak; tokens it signed stay valid until they expire. */
  async rotate(when: 'due' | 'now'): Promise<void> {
    await this.database.asSystem('rotate the signing key', async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.auth.signing-keys', 0))`);
      const [current] = await transaction.query(`SELECT kid FROM signing_keys WHERE signs_until > clock_timestamp() LIMIT 1`);
      if (current !== undefined && when === 'due') return;
      await transaction.query(
        `UPDATE signing_keys SET signs_until = least(signs_until, clock_timestamp()), verifies_until = least(verifies_until, clock_timestamp() + make_interval(secs => $1))`,
        [ACCESS_TOKEN_SECONDS + 60],
      );
      await transaction.query(`DELETE FROM signing_keys WHERE verifies_until < clock_timestamp()`);
      await this.create(transaction);
    });
    await this.read();
  }

  private async create(transaction: Transaction): Promise<void> {
    const kid = randomUUID();
    const pair = await generateKeyPair('ES256', { extractable: true });
    const publicJwk = { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' };
    const sealed = this.secretBox.seal(await exportPKCS8(pair.privateKey), placeOf(kid));
    await transaction.query(
      `INSERT INTO signing_keys (kid, public_jwk, sealed_private, signs_until, verifies_until)
       VALUES ($1, $2, $3, clock_timestamp() + make_interval(days => $4::int), clock_timestamp() + make_interval(days => $4::int, secs => $5))`,
      [kid, JSON.stringify(publicJwk), sealed, this.keyDays, ACCESS_TOKEN_SECONDS + 60],
    );
  }

  private youngest(): SigningKey | undefined {
    return [...this.keys.values()].sort((a, b) => b.signsUntil.getTime() - a.signsUntil.getTime())[0];
  }

  /** One question for all who ask at once. */
  private load(): Promise<void> {
    return (this.loading ??= this.read().finally(() => (this.loading = undefined)));
  }

  private lookAgain(): Promise<void> {
    const wait = Math.max(0, this.loadedAt + LOOK_AGAIN_AFTER_MS - Date.now());
    return (this.lookingAgain ??= sleep(wait)
      .then(() => this.load())
      .finally(() => (this.lookingAgain = undefined)));
  }

  private async read(): Promise<void> {
    const began = Date.now();
    const rows = await this.database.asSystem('load the signing keys', (transaction) =>
      transaction.query<{ kid: string; public_jwk: JWK; sealed_private: string; signs_until: Date }>(
        `SELECT kid, public_jwk, sealed_private, signs_until FROM signing_keys WHERE verifies_until > clock_timestamp() ORDER BY created_at DESC`,
      ),
    );
    const loaded = new Map<string, SigningKey>();
    for (const row of rows) {
      const known = this.keys.get(row.kid);
      const privateKey =
        known?.privateKey ?? (await importPKCS8(this.secretBox.open(row.sealed_private, placeOf(row.kid)).toString('utf8'), 'ES256'));
      const publicKey = known?.publicKey ?? ((await importJWK(row.public_jwk, 'ES256')) as CryptoKey);
      loaded.set(row.kid, { kid: row.kid, publicJwk: row.public_jwk, privateKey, publicKey, signsUntil: row.signs_until });
    }
    this.keys = loaded;
    this.loadedAt = began;
  }
}

function placeOf(kid: string): SecretPlace {
  return { organization: 'platform', record: `signing-key/${kid}`, field: 'private' };
}
