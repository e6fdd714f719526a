import type { RepositoryAccess, RunSecrets, StorageConnection } from '@rahat/contracts';

const MASK = '•••';
/** Shorter ones would blacken ordinary words; a password that short is no secret. */
const SHORTEST_MASKED = 4;

/** Takes the run's secrets, in each spelling that tools print them, out of a text that leaves the run. */
export function maskSecrets(text: string, secrets: RunSecrets): string {
  return spellings(secrets).reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

function spellings(secrets: RunSecrets): string[] {
  const storageKeys = secrets.repositories.map(({ storage }) => secretOf(storage));
  const ends = [secrets.source, secrets.target, ...(secrets.standbys ?? [])];
  const passwords = [...ends.flatMap((end) => [end?.password, end?.tlsKey, end?.sshKey, end?.awsSecretAccessKey]), ...storageKeys].filter(
    (password) => password !== undefined,
  );
  const authorizations = (secrets.hooks ?? []).flatMap((hook) =>
    hook.kind === 'http' && hook.authorization ? [hook.authorization, hook.authorization.split(' ').at(-1)!] : [],
  );
  const keys = secrets.repositories.flatMap(({ credential }) => keysOf(credential));
  const every = [
    ...passwords.flatMap((password) => [
      password,
      encodeURIComponent(password),
      password.replaceAll("'", "''"),
      JSON.stringify(password).slice(1, -1),
    ]),
    ...authorizations,
    ...keys.flatMap((key) => [key, Buffer.from(key, 'base64').toString('hex')]),
  ];
  // Longest first: a secret that contains another one is masked as a whole.
  return [...new Set(every)].filter((secret) => secret.length >= SHORTEST_MASKED).sort((left, right) => right.length - left.length);
}

/** The public key is none. */
function keysOf(credential: RepositoryAccess['credential']): string[] {
  const { identitySecret, ...other } = credential.power === 'read' ? credential : credential.writeOnly;
  return [identitySecret, 'masterKey' in other ? other.masterKey : other.metadataKey];
}

function secretOf(storage: StorageConnection): string | undefined {
  return storage.driver === 's3' && storage.credentials.source === 'access-key' ? storage.credentials.secretAccessKey : undefined;
}
