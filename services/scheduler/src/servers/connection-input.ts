import {
  regionOfRdsHost,
  type ConnectionKeyName,
  type CreateServer,
  type PostgresqlAddress,
  type ServerAuthentication,
} from '@rahat/contracts';
import { mistaken } from '../input/mistake.js';
import { parsePostgresqlUrl } from './postgresql-url.js';

const BESIDE_URL = ['tlsCa', 'tlsCertificate', 'ssh', 'authentication'] as const;

type ConnectionInput = Pick<CreateServer, 'url' | 'address' | 'password' | (typeof BESIDE_URL)[number]>;

/** What a request says of the way to a server; the `stored` password is used on where it gives no other. Empty where none is used. */
export function connectionIn(request: ConnectionInput, stored?: string): { address: PostgresqlAddress; password: string } {
  if ((request.url === undefined) === (request.address === undefined))
    throw mistaken({ pointer: '/url', message: 'give either url or address' });
  const { address, within } = addressIn(request);
  assertAuthentication(address, request.address ? '/address' : '');
  const given = within ?? request.password;
  if (address.authentication) {
    if (given !== undefined) throw mistaken({ pointer: '/password', message: 'is not used with authentication' });
    return { address, password: '' };
  }
  const password = given ?? (stored === '' ? undefined : stored);
  if (password === undefined)
    throw mistaken({ pointer: '/password', message: request.address ? 'is needed beside address' : 'is neither here nor in the URL' });
  return { address, password };
}

/** `within`: the password that stands in the URL. */
function addressIn(request: ConnectionInput): { address: PostgresqlAddress; within: string | undefined } {
  const beside = BESIDE_URL.filter((name) => request[name] !== undefined);
  if (request.address) {
    if (beside.length > 0) throw mistaken(...beside.map((name) => ({ pointer: `/${name}`, message: 'stands inside address' })));
    return { address: request.address, within: undefined };
  }
  const parsed = parsePostgresqlUrl(request.url!);
  if (!parsed.ok) throw mistaken({ pointer: '/url', message: parsed.message });
  return { address: { ...parsed.address, ...Object.fromEntries(beside.map((name) => [name, request[name]])) }, within: parsed.password };
}

/** Without a new URL they would be dropped in silence. */
export function assertNothingBeside(request: ConnectionInput): void {
  const beside = BESIDE_URL.filter((name) => request[name] !== undefined);
  if (beside.length > 0) throw mistaken(...beside.map((name) => ({ pointer: `/${name}`, message: 'goes with url' })));
}

function assertAuthentication({ authentication, host, tls }: PostgresqlAddress, within: string): void {
  if (!authentication) return;
  if (tls === 'disable' || tls === 'prefer')
    throw mistaken({
      pointer: within === '' ? '/url' : `${within}/tls`,
      message: 'a token of Amazon is only sent over TLS: take verify-full with the authority of Amazon (tlsCa), or at least require',
    });
  if (authentication.region === undefined && regionOfRdsHost(host) === undefined)
    throw mistaken({ pointer: `${within}/authentication/region`, message: `is needed: the name ${host} tells no region of Amazon` });
}

/** A certificate without its key, or an SSH host without ours, would only be found out by the run. */
export function assertKeys(address: PostgresqlAddress, names: readonly ConnectionKeyName[]): void {
  if (address.tlsCertificate !== undefined && !names.includes('tlsKey'))
    throw mistaken({ pointer: '/keys/tlsKey', message: 'is needed for the certificate' });
  if (address.ssh !== undefined && !names.includes('sshKey'))
    throw mistaken({ pointer: '/keys/sshKey', message: 'is needed for the SSH host' });
  if (usesAccessKey(address.authentication) && !names.includes('awsSecretAccessKey'))
    throw mistaken({ pointer: '/keys/awsSecretAccessKey', message: 'is needed for the access key' });
}

export function usesAccessKey(authentication: ServerAuthentication | undefined): boolean {
  return authentication?.credentials.source === 'access-key';
}
