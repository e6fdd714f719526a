import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { RahatError, secretKey, SecretReference } from '@rahat/contracts';
import { parseAllDocuments } from 'yaml';

/** YAML expands aliases without an end where nobody counts. */
const MOST_ALIASES = 100;
const EXTENSIONS = /\.(ya?ml|json)$/;

/** The documents of files, of all such files in folders, and of standard input (`-`). */
export async function readDocuments(places: readonly string[]): Promise<unknown[]> {
  const documents: unknown[] = [];
  for (const place of places) for (const { name, content } of await contentsOf(place)) documents.push(...parse(name, content));
  return documents;
}

async function contentsOf(place: string): Promise<{ name: string; content: string }[]> {
  if (place === '-') return [{ name: 'standard input', content: await text(process.stdin) }];
  try {
    const files = (await stat(place)).isDirectory()
      ? (await readdir(place))
          .filter((name) => EXTENSIONS.test(name))
          .sort()
          .map((name) => path.join(place, name))
      : [place];
    return await Promise.all(files.map(async (name) => ({ name, content: await readFile(name, 'utf8') })));
  } catch (cause) {
    throw new RahatError('not_found', `${place} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** JSON is YAML, too; a list of documents, plain or as `kind: List`, counts as its items. */
function parse(name: string, content: string): unknown[] {
  const documents = parseAllDocuments(content);
  return documents.flatMap((document) => {
    const [mistake] = document.errors;
    if (mistake) throw new RahatError('invalid_input', `${name} is no YAML: ${mistake.message}`);
    try {
      const value: unknown = document.toJS({ maxAliasCount: MOST_ALIASES });
      if (value === null || value === undefined) return [];
      return Array.isArray(value) ? (value as unknown[]) : isList(value) ? value.items : [value];
    } catch (cause) {
      throw new RahatError('invalid_input', `${name} cannot be read: ${(cause as Error).message}`, { cause });
    }
  });
}

function isList(value: unknown): value is { items: unknown[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { kind?: unknown }).kind === 'List' &&
    Array.isArray((value as { items?: unknown }).items)
  );
}

/** The values of all references that can be found here; what is missing is told by the platform, when it is needed. */
export async function secretsOf(
  documents: readonly unknown[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Record<string, string>> {
  const secrets: Record<string, string> = {};
  for (const reference of referencesIn(documents)) {
    const { secretRef } = reference;
    if ('env' in secretRef) {
      const value = environment[secretRef.env];
      if (value !== undefined && value !== '') secrets[secretKey(reference)] = value;
    } else {
      secrets[secretKey(reference)] = await readSecretFile(secretRef.file);
    }
  }
  return secrets;
}

async function readSecretFile(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new RahatError('not_found', `The secret file ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown'}`, {
      cause,
    });
  }
}

function* referencesIn(value: unknown): Generator<SecretReference> {
  if (typeof value !== 'object' || value === null) return;
  const reference = SecretReference.safeParse(value);
  if (reference.success) yield reference.data;
  else for (const member of Object.values(value)) yield* referencesIn(member);
}
