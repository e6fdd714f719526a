import { RahatError } from '@rahat/contracts';
import type { OutgoingClient } from '@rahat/service-kit';
import * as oidc from 'openid-client';

const TIMEOUT_SECONDS = 10;
/** Keys and user infos of large organizations are long; nobody's are longer than this. */
const MOST_BYTES = 1_000_000;
const KNOWN_FOR_MS = 10 * 60_000;
/** Each needs the provider's own key; what is signed with a secret that others know, or not at all, proves nothing. */
const SIGNED_BY_KEY = /^(RS|PS|ES)\d{3}$|^(EdDSA|Ed25519)$/;

export interface ProviderSettings {
  id: string;
  issuer: string;
  clientId: string;
  clientSecret: string | undefined;
  scopes: readonly string[];
  groupClaim: string;
}

/** What binds an answer of the provider to the browser that asked. */
export interface SignOnAttempt {
  state: string;
  nonce: string;
  verifier: string;
}

export interface SignedOn {
  subject: string;
  email: string | undefined;
  emailVerified: boolean;
  name: string | undefined;
  groups: unknown;
}

/** Talks to identity providers, through the guarded client alone: every address of theirs was named by a user, or by them. */
export class IdentityProviders {
  private readonly known = new Map<string, { until: number; configuration: oidc.Configuration }>();

  constructor(private readonly outgoing: OutgoingClient) {}

  /** Reads what the provider says about itself; rejects with a sentence that names it. */
  async discover(settings: ProviderSettings): Promise<oidc.Configuration> {
    const key = JSON.stringify([settings.id, settings.issuer, settings.clientId, settings.clientSecret]);
    const known = this.known.get(key);
    if (known !== undefined && known.until > Date.now()) return known.configuration;
    const issuer = new URL(settings.issuer);
    const plain = issuer.protocol === 'http:';
    if (plain && !this.outgoing.isNamed(issuer.hostname))
      throw new RahatError('outgoing_refused', 'An identity provider without https is not believed.', {
        hint: 'Who operates the platform can allow a private one in RAHAT_OUTGOING_ALLOW.',
      });
    const configuration = await explained(settings, () =>
      oidc.discovery(issuer, settings.clientId, undefined, clientAuthentication(settings), {
        [oidc.customFetch]: (url, options) => this.fetch(url, options),
        timeout: TIMEOUT_SECONDS,
        // Signatures are checked although the token came from the provider itself: TLS may end before it.
        execute: plain ? [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] : [oidc.enableNonRepudiationChecks],
      }),
    );
    this.known.clear();
    this.known.set(key, { until: Date.now() + KNOWN_FOR_MS, configuration });
    return configuration;
  }

  async authorizationUrl(settings: ProviderSettings, attempt: SignOnAttempt, redirectUri: string): Promise<string> {
    const configuration = await this.discover(settings);
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: [...new Set(['openid', ...settings.scopes])].join(' '),
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    });
    return url.href;
  }

  /** Who the provider says is there: by an ID token that is signed, fresh, for us, and an answer to this very attempt. */
  async identify(settings: ProviderSettings, attempt: SignOnAttempt, answer: URL): Promise<SignedOn> {
    const configuration = await this.discover(settings);
    return explained(settings, async () => {
      const tokens = await oidc.authorizationCodeGrant(configuration, answer, {
        expectedState: attempt.state,
        expectedNonce: attempt.nonce,
        pkceCodeVerifier: attempt.verifier,
        idTokenExpected: true,
      });
      refuseWeakSignature(tokens.id_token);
      const claims = tokens.claims()!;
      let told: Record<string, unknown> = claims;
      const missing = claims['email'] === undefined || claims[settings.groupClaim] === undefined;
      if (missing && configuration.serverMetadata().userinfo_endpoint !== undefined)
        told = { ...(await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
      return {
        subject: claims.sub,
        email: typeof told['email'] === 'string' ? told['email'] : undefined,
        emailVerified: told['email_verified'] === true,
        name: typeof told['name'] === 'string' ? told['name'] : undefined,
        groups: told[settings.groupClaim],
      };
    });
  }

  private async fetch(url: string, options: oidc.CustomFetchOptions): Promise<Response> {
    const { method, headers, body, signal } = options;
    if (method !== 'GET' && method !== 'POST') throw new RahatError('internal', `No provider is asked with ${method}`);
    return this.outgoing.fetch(
      {
        url,
        method,
        headers,
        body: body === undefined || body === null ? undefined : String(body),
        signal,
        timeoutMs: TIMEOUT_SECONDS * 1000,
      },
      { mostBytes: MOST_BYTES },
    );
  }
}

/** The header unless the provider says that it takes the body only: it is what OpenID Connect means where nothing is said. */
function clientAuthentication({ clientSecret }: ProviderSettings): oidc.ClientAuth {
  if (clientSecret === undefined) return oidc.None();
  return (server, ...request) => {
    const methods = server.token_endpoint_auth_methods_supported;
    const inHeader = methods === undefined || methods.includes('client_secret_basic');
    return (inHeader ? oidc.ClientSecretBasic(clientSecret) : oidc.ClientSecretPost(clientSecret))(server, ...request);
  };
}

/** The library knows but such algorithms; this holds should it ever learn another. */
function refuseWeakSignature(idToken: string | undefined): void {
  const header: unknown = JSON.parse(Buffer.from(idToken?.split('.', 1)[0] ?? '', 'base64url').toString('utf8'));
  if (!SIGNED_BY_KEY.test(String((header as { alg?: unknown } | null)?.alg)))
    throw new RahatError('sign_on_failed', 'The identity provider signs in a way that proves nothing.');
}

/** What went wrong between us and the provider, told without what was exchanged: codes and tokens are secrets. */
async function explained<T>(settings: ProviderSettings, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const host = new URL(settings.issuer).host;
    const ours = ourErrorIn(error);
    if (ours?.code === 'outgoing_refused' || ours?.code === 'sign_on_failed') throw ours;
    if (ours !== undefined)
      throw new RahatError('unavailable', `The identity provider ${host} cannot be reached.`, {
        hint: 'Try again later, or log in with a password.',
        cause: ours,
      });
    const reason = (error as { error?: unknown; code?: unknown }).error ?? (error as { code?: unknown }).code;
    throw new RahatError('sign_on_failed', `The identity provider ${host} gave an answer that is not accepted${told(reason)}.`);
  }
}

function told(reason: unknown): string {
  return typeof reason === 'string' && /^[\w-]{1,60}$/.test(reason) ? ` (${reason})` : '';
}

function ourErrorIn(error: unknown): RahatError | undefined {
  for (let inner = error, depth = 0; inner instanceof Error && depth < 5; inner = inner.cause, depth++)
    if (inner instanceof RahatError) return inner;
  return undefined;
}
