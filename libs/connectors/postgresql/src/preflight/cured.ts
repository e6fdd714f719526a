import type { Cure, Finding } from '@rahat/contracts';

/** A finding that an administrator can cure by SQL. */
export type CurableFinding = Finding & { cure?: Cure };

/** With its cure, which is also the `fix` that people read; `note` says what the SQL alone doesn't. */
export function cured(
  finding: Omit<Finding, 'fix'>,
  cure: Cure,
  note = cure.restart ? 'then restart the server' : undefined,
): CurableFinding {
  return { ...finding, fix: note === undefined ? cure.sql : `${cure.sql} -- ${note}`, cure };
}

/** A setting of the server itself. Some are read anew on request, the others at its start. */
export function setting(name: string, value: string, when: 'reload' | 'restart'): Cure {
  const sql = `ALTER SYSTEM SET ${name} = ${value};`;
  return when === 'restart' ? { sql, scope: 'server', restart: true } : { sql: `${sql}\nSELECT pg_reload_conf();`, scope: 'server' };
}

/** A list longer than this says the same as its beginning. */
const MOST_OBJECTS = 20;

export function listed(names: readonly string[]): string {
  return names.slice(0, MOST_OBJECTS).join(', ');
}
