import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { RahatError, type Finding } from '@rahat/contracts';
import { quoteIdentifier, quoteLiteral } from '../errors.js';
import { isForEveryone, type DatabaseFacts } from './database-facts.js';
import { freeName, secondOf } from './set-aside.js';

const LONGEST_NAME_BYTES = 63;
const PROVIDERS: Record<string, string> = { c: 'libc', i: 'icu', b: 'builtin' };

/** `<name>__rhb_<label>`: the name gives way when both are too long together. */
export function stagingName(name: string, label: string): string {
  return withSuffix(name, `__rhb_${label.replaceAll(/[^A-Za-z0-9_]/g, '_').slice(-36)}`);
}

export function setAsideName(name: string, at: Date): string {
  return withSuffix(name, `__old_${secondOf(at)}`);
}

function withSuffix(name: string, suffix: string): string {
  let kept = [...name];
  while (Buffer.byteLength(kept.join('') + suffix) > LONGEST_NAME_BYTES) kept = kept.slice(0, -1);
  return kept.join('') + suffix;
}

/**
 * An empty database with the encoding and the locale of the backed-up one; with `anyLocale`, with C where that is missing. A
 * leftover of an earlier attempt of the same label goes.
 */
export async function createStaging(
  client: pg.Client,
  name: string,
  facts: DatabaseFacts,
  targetMajor: number,
  anyLocale = false,
): Promise<Finding[]> {
  await dropDatabase(client, name);
  const options = [
    `TEMPLATE template0`,
    `ENCODING ${quoteLiteral(facts.encoding)}`,
    `LC_COLLATE ${quoteLiteral(facts.collate)}`,
    `LC_CTYPE ${quoteLiteral(facts.ctype)}`,
  ];
  if (targetMajor >= 15) {
    options.push(`LOCALE_PROVIDER ${PROVIDERS[facts.localeProvider] ?? 'libc'}`);
    if (facts.locale !== null && facts.localeProvider === 'i') options.push(`ICU_LOCALE ${quoteLiteral(facts.locale)}`);
    if (facts.locale !== null && facts.localeProvider === 'b') options.push(`BUILTIN_LOCALE ${quoteLiteral(facts.locale)}`);
    if (facts.icuRules !== null && targetMajor >= 16) options.push(`ICU_RULES ${quoteLiteral(facts.icuRules)}`);
  }
  try {
    await client.query(`CREATE DATABASE ${quoteIdentifier(name)} ${options.join(' ')}`);
    return [];
  } catch (error) {
    if (anyLocale && isMissingLocale(error)) return createWithPlainLocale(client, name, facts, targetMajor);
    const message = error instanceof Error ? error.message : String(error);
    throw new RahatError('restore_failed', `The staging database could not be created: ${message}`, {
      cause: error,
      hint: /permission denied/.test(message)
        ? 'ALTER ROLE … CREATEDB for the user of the target server.'
        : `The target needs encoding ${facts.encoding} and locale ${facts.collate}; install the locale on its machine.`,
    });
  }
}

// 22023: the name means nothing here; 42704, 0A000: this server knows no such provider.
function isMissingLocale(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return ['22023', '42704', '42809', '0A000'].includes(code ?? '') && /locale|collation|ICU/i.test(message ?? '');
}

/** Rows are bytes, and are compared as such: for their proof any order of texts will do. */
async function createWithPlainLocale(client: pg.Client, name: string, facts: DatabaseFacts, targetMajor: number): Promise<Finding[]> {
  const provider = targetMajor >= 15 ? 'LOCALE_PROVIDER libc' : '';
  await client.query(
    `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0 ENCODING ${quoteLiteral(facts.encoding)} LC_COLLATE 'C' LC_CTYPE 'C' ${provider}`,
  );
  const locale = facts.locale ?? facts.collate;
  return [
    {
      code: 'test_locale_differs',
      severity: 'info',
      object: locale,
      message: `The test restore ran with locale C: the worker lacks ${locale}. Rows are compared all the same; the order of indexes on texts is not the source's.`,
      fix: `Install the locale ${locale} on the worker.`,
    },
  ];
}

export async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`);
}

export async function databaseExists(client: pg.Client, name: string): Promise<boolean> {
  return (await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rows.length > 0;
}

/** Owner, rights, settings and comment of the database itself, which pg_dump without --create leaves out. What can't be set is a finding. */
export async function applyDatabaseFacts(
  client: pg.Client,
  name: string,
  facts: DatabaseFacts,
  keep: { owner: boolean; grants: boolean },
): Promise<Finding[]> {
  const database = quoteIdentifier(name);
  const findings: Finding[] = [];
  const attempt = async (what: string, run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      findings.push({
        code: 'database_property_not_restored',
        severity: 'warning',
        object: facts.name,
        message: `${what}: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  };
  if (keep.owner)
    await attempt(`Owner ${facts.owner}`, () => client.query(`ALTER DATABASE ${database} OWNER TO ${quoteIdentifier(facts.owner)}`));
  if (facts.connectionLimit >= 0)
    await attempt('Connection limit', () => client.query(`ALTER DATABASE ${database} CONNECTION LIMIT ${facts.connectionLimit}`));
  if (facts.comment !== null)
    await attempt('Comment', () => client.query(`COMMENT ON DATABASE ${database} IS ${quoteLiteral(facts.comment ?? '')}`));
  for (const { role, assignment } of facts.settings)
    await attempt(`Setting ${assignment}`, () => applySetting(client, database, role, assignment));
  if (keep.grants && facts.grants !== null) {
    await attempt('Rights', () => client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`));
    for (const grant of facts.grants) {
      const { grantee, privilege, grantable } = grant;
      const to = isForEveryone(grant) ? 'PUBLIC' : quoteIdentifier(grantee);
      await attempt(`Right ${privilege} of ${grantee}`, () =>
        client.query(
          `GRANT ${privilege.replaceAll(/[^A-Z ]/g, '')} ON DATABASE ${database} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''}`,
        ),
      );
    }
  }
  return findings;
}

// `SET … FROM CURRENT` takes the value from the session: lists such as search_path need no quoting of ours.
async function applySetting(client: pg.Client, database: string, role: string | null, assignment: string): Promise<void> {
  const at = assignment.indexOf('=');
  const [name, value] = [assignment.slice(0, at), assignment.slice(at + 1)];
  const owner = role === null ? `DATABASE ${database}` : `ROLE ${quoteIdentifier(role)} IN DATABASE ${database}`;
  const setting = name.split('.').map(quoteIdentifier).join('.');
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_catalog.set_config($1, $2, true)', [name, value]);
    await client.query(`ALTER ${owner} SET ${setting} FROM CURRENT`);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/**
 * One transaction of two renames: there is no moment without a database of that name, and none with half of one. Sessions are
 * ended by a connection of its own while the rename waits for them: it holds new ones off by its lock, which a crash undoes;
 * a database that was closed to connections would stay so.
 */
export async function swapIn(
  client: pg.Client,
  ender: pg.Client,
  { staging, name, replace }: { staging: string; name: string; replace: boolean },
  at: Date,
): Promise<string | undefined> {
  if (!replace || !(await databaseExists(client, name))) {
    await withoutSessions(ender, staging, () => rename(client, staging, name));
    return undefined;
  }
  const aside = await freeName(
    at,
    (moment) => setAsideName(name, moment),
    (taken) => databaseExists(client, taken),
  );
  try {
    await client.query('BEGIN');
    await withoutSessions(ender, name, () => rename(client, name, aside));
    await withoutSessions(ender, staging, () => rename(client, staging, name));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
  return aside;
}

async function rename(client: pg.Client, from: string, to: string): Promise<void> {
  try {
    await client.query(`ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)}`);
  } catch (error) {
    if ((error as { code?: string }).code === '42P04')
      throw new RahatError('restore_target_exists', `A database '${to}' was made while the restore ran`, { cause: error });
    const { message, detail } = error as { message?: string; detail?: string };
    throw new RahatError(
      'restore_failed',
      `Database '${from}' could not be renamed to '${to}': ${message ?? String(error)}${detail === undefined ? '' : ` (${detail})`}`,
      {
        cause: error,
        retryable: true,
        hint: /prepared transaction/.test(detail ?? '')
          ? `End them in database '${from}': SELECT gid FROM pg_prepared_xacts; then COMMIT PREPARED or ROLLBACK PREPARED.`
          : undefined,
      },
    );
  }
}

/** Ends the sessions of a database for as long as the work goes on that needs it empty. */
async function withoutSessions<T>(ender: pg.Client, database: string, work: () => Promise<T>): Promise<T> {
  let done = false;
  const ending = (async () => {
    while (!done) {
      await ender.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()', [
        database,
      ]);
      await delay(50);
    }
  })();
  try {
    return await Promise.race([work(), ending.then(() => undefined as never)]);
  } finally {
    done = true;
    await ending.catch(() => undefined);
  }
}
