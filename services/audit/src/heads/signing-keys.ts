import { randomUUID } from 'node:crypto';
import type { PublicKeys, SigningKey } from '@rahat/audit-trail';
import type { ServiceDatabase, Transaction } from '@rahat/persistence';
import type { SecretBox, SecretPlace } from '@rahat/secrets';
import { exportJWK, exportPKCS8, generateKeyPair, importJWK, importPKCS8, type CryptoKey, type JWK } from 'jose';

const KEY_DAYS = 365;
const RELOAD_AFTER_MS = 60_000;

interface Loaded {
  signer: SigningKey;
  publicKeys: Map<string, CryptoKey>;
  jwks: JWK[];
  at: number;
}

/**
 * The ES256 keys of signed heads. A row is believed only when its private half opens with the installation's master key and belongs to
 * its public one: who can write to the database can't bring a key of their own. Keys stay, so that old heads can be checked.
 */
export class SigningKeys {
  private loaded: Loaded | undefined;

  constructor(
    private readonly database: ServiceDatabase,
    private readonly secretBox: SecretBox,
  ) {}

  async signer(): Promise<SigningKey> {
    return (await this.current()).signer;
  }

  async publicKeys(): Promise<PublicKeys> {
    return (await this.current()).publicKeys;
  }

  async jwks(): Promise<{ keys: JWK[] }> {
    return { keys: (await this.current()).jwks };
  }

  private async current(): Promise<Loaded> {
    if (this.loaded && Date.now() - this.loaded.at < RELOAD_AFTER_MS) return this.loaded;
    return (this.loaded = await this.load());
  }

  private async load(): Promise<Loaded> {
    const usable = await this.database.asSystem('load the keys of signed heads', async (transaction) => {
      const found = await this.opened(transaction);
      if (found.some((key) => key.fresh)) return found;
      // One replica makes the next key; what another master key sealed, or nobody, stays as it is.
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('rahat.audit.signing-keys', 0))`);
      if (!(await this.opened(transaction)).some((key) => key.fresh)) await this.create(transaction);
      return this.opened(transaction);
    });
    const [youngest] = usable as [UsableKey, ...UsableKey[]];
    return {
      signer: { kid: youngest.kid, privateKey: youngest.privateKey },
      publicKeys: new Map(usable.map((key) => [key.kid, key.publicKey])),
      jwks: usable.map((key) => key.jwk),
      at: Date.now(),
    };
  }

  private async opened(transaction: Transaction): Promise<UsableKey[]> {
    const rows = await transaction.query<KeyRow>(
      `SELECT kid, sealed_private, created_at > now() - make_interval(days => $1) AS fresh FROM audit_keys ORDER BY created_at DESC, kid`,
      [KEY_DAYS],
    );
    return (await Promise.all(rows.map((row) => this.open(row)))).filter((key) => key !== undefined);
  }

  private async create(transaction: Transaction): Promise<void> {
    const kid = randomUUID();
    const pair = await generateKeyPair('ES256', { extractable: true });
    await transaction.query(`INSERT INTO audit_keys (kid, public_jwk, sealed_private) VALUES ($1, $2, $3)`, [
      kid,
      JSON.stringify(await publicJwk(pair.publicKey, kid)),
      this.secretBox.seal(await exportPKCS8(pair.privateKey), placeOf(kid)),
    ]);
  }

  private async open(row: KeyRow): Promise<UsableKey | undefined> {
    try {
      const pem = this.secretBox.open(row.sealed_private, placeOf(row.kid)).toString('utf8');
      const privateKey = await importPKCS8(pem, 'ES256', { extractable: true });
      const { d: _private, ...point } = await exportJWK(privateKey);
      const publicKey = (await importJWK(point, 'ES256')) as CryptoKey;
      return { kid: row.kid, fresh: row.fresh, privateKey, publicKey, jwk: await publicJwk(publicKey, row.kid) };
    } catch {
      return undefined;
    }
  }
}

interface UsableKey extends SigningKey {
  publicKey: CryptoKey;
  jwk: JWK;
  fresh: boolean;
}

interface KeyRow {
  kid: string;
  sealed_private: string;
  fresh: boolean;
}

async function publicJwk(key: CryptoKey, kid: string): Promise<JWK> {
  return { ...(await exportJWK(key)), kid, alg: 'ES256', use: 'sig' };
}

function placeOf(kid: string): SecretPlace {
  return { organization: 'platform', record: `audit-key/${kid}`, field: 'private' };
}
