import { RahatError, type AuthenticatedSubject } from '@rahat/contracts';
import type { ServiceDatabase } from '@rahat/persistence';
import { parseApiKey } from '../api-keys/api-key-format.js';
import { COOKIE_PREFIX, tokenHash } from '../sessions/opaque-token.js';
import { verifyAccessToken } from '../signing-keys/access-token.js';
import type { SigningKeys } from '../signing-keys/signing-keys.js';
import { subjectsOfKeys, type AskedKey } from './subjects-of-keys.js';
import { subjectsOfSessions, type AskedSession } from './subjects-of-sessions.js';

/** A credential, and where it came from. */
export interface Asked {
  credential: string;
  address: string;
}

type Answer = AuthenticatedSubject | RahatError;
/** What a credential names, found out without the database. */
type Named = { key: AskedKey } | { session: AskedSession } | { refused: RahatError };

/** Says who is behind a credential, from what is true in the database now: revocation and role changes count at once. */
export class AuthenticationService {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly keys: SigningKeys,
  ) {}

  async authenticate(asked: Asked): Promise<AuthenticatedSubject> {
    const [answer] = await this.authenticateAll([asked]);
    if (answer instanceof RahatError) throw answer;
    return answer!;
  }

  /** In the order of what is asked; as many at once cost the database little more than one. */
  async authenticateAll(asked: readonly Asked[]): Promise<Answer[]> {
    const named = await Promise.all(asked.map((one) => this.named(one)));
    const keys = named.flatMap((one) => ('key' in one ? one.key : []));
    const sessions = named.flatMap((one) => ('session' in one ? one.session : []));
    if (keys.length + sessions.length === 0) return named.map((one) => refusalOf(one));
    const { ofKeys, ofSessions } = await this.database.asSystem('authenticate credentials', async (transaction) => ({
      ofKeys: await subjectsOfKeys(transaction, keys),
      ofSessions: await subjectsOfSessions(transaction, sessions),
    }));
    return named.map((one) => {
      if ('key' in one) return ofKeys.get(one.key) ?? refusalOf(one);
      if ('session' in one) return ofSessions.get(one.session) ?? refusalOf(one);
      return one.refused;
    });
  }

  private async named({ credential, address }: Asked): Promise<Named> {
    if (credential.startsWith('rhb_')) {
      const key = parseApiKey(credential);
      return key === undefined ? { refused: KEY_REFUSED() } : { key: { ...key, address } };
    }
    if (credential.startsWith(COOKIE_PREFIX)) return { session: { cookieHash: tokenHash(credential) } };
    try {
      return { session: { claims: await verifyAccessToken(credential, (kid) => this.keys.publicKeyOf(kid)) } };
    } catch (error) {
      if (error instanceof RahatError && error.code === 'unauthenticated') return { refused: error };
      throw error;
    }
  }
}

const KEY_REFUSED = () => new RahatError('unauthenticated', 'The API key is wrong, revoked or expired.');

function refusalOf(named: Named): RahatError {
  if ('refused' in named) return named.refused;
  if ('key' in named) return KEY_REFUSED();
  return new RahatError('unauthenticated', 'The session has ended.', { hint: 'Log in again.' });
}
