import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { Provider } from 'oidc-provider';

export const CLIENT = { id: 'rahat', secret: 'planted-client-secret' };

export type Account = { email?: string; email_verified?: boolean; name?: string; groups?: unknown };

async function listen(server: Server): Promise<string> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function end(server: Server): void {
  server.closeAllConnections();
  server.close();
}

/** A certified OpenID provider in this process, over real HTTP; who is at its keyboard is said by `walk`. */
export interface RealProvider extends Disposable {
  readonly issuer: string;
  readonly accounts: Map<string, Account>;
  /** Follows a browser from the authorization address to where the provider sends it back. */
  walk(authorizationUrl: string, account: string): Promise<URL>;
}

export async function startRealProvider(): Promise<RealProvider> {
  const accounts = new Map<string, Account>();
  let atKeyboard = '';
  const server = createServer();
  const issuer = await listen(server);
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: ['https://unused.example.org/'],
        grant_types: ['authorization_code'],
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['only-a-test'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...accounts.get(id) }) }),
    // Nobody is asked what a client may know.
    async loadExistingGrant(context) {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client!.clientId,
        accountId: context.oidc.session!.accountId,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  });
  // Where browsers go back to has the id of a provider in it that does not exist yet.
  provider.Client.prototype.redirectUriAllowed = () => true;
  const answer = provider.callback();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/'))
      void provider.interactionFinished(request, response, { login: { accountId: atKeyboard } }, { mergeWithLastSubmission: false });
    else void answer(request, response);
  });
  return {
    issuer,
    accounts,
    async walk(authorizationUrl, account) {
      atKeyboard = account;
      const jar = new Map<string, string>();
      for (let url = new URL(authorizationUrl), steps = 0; steps < 10; steps++) {
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
        const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
        for (const line of response.headers.getSetCookie()) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
          jar.set(name!, value!);
        }
        const location = response.headers.get('location');
        if (location === null) throw new Error(`the provider answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
        url = new URL(location, url);
        if (url.origin !== issuer) return url;
      }
      throw new Error('the provider sends the browser round and round');
    },
    [Symbol.dispose]: () => end(server),
  };
}

/** A provider that answers whatever a test wants. */
export interface ForgedProvider extends Disposable {
  readonly issuer: string;
  readonly key: { publicKey: CryptoKey; privateKey: CryptoKey };
  /** What it says its issuer is. */
  claimedIssuer: string;
  /** Status and body of the token endpoint. */
  tokenAnswer: () => Promise<{ status: number; body: object }>;
  /** A token that is right but for what is changed. */
  idToken(claims: JWTPayload, header?: Record<string, unknown>, key?: CryptoKey | Uint8Array): Promise<string>;
}

export async function startForgedProvider(): Promise<ForgedProvider> {
  const key = await generateKeyPair('RS256', { extractable: true });
  const server = createServer();
  const issuer = await listen(server);
  const forged: ForgedProvider = {
    issuer,
    key,
    claimedIssuer: issuer,
    tokenAnswer: async () => ({ status: 500, body: {} }),
    idToken: (claims, header = {}, signer = key.privateKey) =>
      new SignJWT({
        iss: issuer,
        aud: CLIENT.id,
        sub: 'eve',
        email: 'eve@example.org',
        email_verified: true,
        groups: ['dba'],
        iat: Math.floor(Date.now() / 1000),
        exp: Math.floor(Date.now() / 1000) + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
        .sign(signer),
    [Symbol.dispose]: () => end(server),
  };
  const json = (response: ServerResponse, status: number, body: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    switch (request.url) {
      case '/.well-known/openid-configuration':
        return json(response, 200, {
          issuer: forged.claimedIssuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          response_types_supported: ['code'],
          id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        });
      case '/jwks':
        return json(response, 200, { keys: [{ ...(await exportJWK(key.publicKey)), kid: 'one', use: 'sig', alg: 'RS256' }] });
      case '/token': {
        const { status, body } = await forged.tokenAnswer();
        return json(response, status, body);
      }
      default:
        return json(response, 404, {});
    }
  };
  server.on('request', (request, response) => void respond(request, response));
  return forged;
}
