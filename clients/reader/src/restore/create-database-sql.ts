import { Fields } from '../format/json-fields.js';

const PROVIDERS: Record<string, string> = { c: 'libc', i: 'icu', b: 'builtin' };
/** Settings whose value is a list of names: pg_dumpall leaves these unquoted too. */
const LISTS = /^(local_preload_libraries|search_path|session_preload_libraries|temp_tablespaces)$/;

/** SQL for psql that makes the database as it was, under the name in psql's variable `name`. */
export function createDatabaseSql(facts: Fields): string {
  const text = (name: string) => literal(facts.text(name));
  const locale = facts.has('locale') ? literal(facts.text('locale')) : '';
  const provider = facts.text('localeProvider');
  const options = [
    'TEMPLATE template0',
    `ENCODING ${text('encoding')}`,
    `LC_COLLATE ${text('collate')} LC_CTYPE ${text('ctype')}`,
    ...(provider === 'c' ? [] : [`LOCALE_PROVIDER ${PROVIDERS[provider] ?? provider}`]),
    ...(provider === 'i' && locale ? [`ICU_LOCALE ${locale}`] : []),
    ...(provider === 'i' && facts.has('icuRules') ? [`ICU_RULES ${text('icuRules')}`] : []),
    ...(provider === 'b' && locale ? [`BUILTIN_LOCALE ${locale}`] : []),
    `CONNECTION LIMIT ${facts.integer('connectionLimit', -1)}`,
  ];
  const lines = [
    `-- Database "${facts.text('name').replace(/\p{Cc}/gu, ' ')}" as it was when it was backed up. psql -v name=NEW_NAME -f create-database.sql`,
    `CREATE DATABASE :"name" WITH ${options.join(' ')};`,
    '-- What follows needs the roles of globals.sql; without them it fails and the data is unharmed.',
    '\\set ON_ERROR_STOP off',
    `ALTER DATABASE :"name" OWNER TO ${identifier(facts.text('owner'))};`,
    ...(facts.has('comment') ? [`COMMENT ON DATABASE :"name" IS ${text('comment')};`] : []),
    ...facts.objects('settings').map(setting),
    ...(facts.has('grants') ? ['REVOKE ALL ON DATABASE :"name" FROM PUBLIC;', ...facts.objects('grants').map(grant)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function setting(fields: Fields): string {
  const assignment = fields.text('assignment', /=/);
  const name = assignment.slice(0, assignment.indexOf('='));
  const value = assignment.slice(name.length + 1);
  const written = LISTS.test(name) && value !== '' ? value : literal(value);
  const whom = fields.has('role') ? `ROLE ${identifier(fields.text('role'))} IN DATABASE :"name"` : 'DATABASE :"name"';
  // An extension's setting has a dot between its two names.
  return `ALTER ${whom} SET ${name.split('.').map(identifier).join('.')} TO ${written};`;
}

function grant(fields: Fields): string {
  const grantee = fields.text('grantee');
  const grantable = fields.raw('grantable') === true ? ' WITH GRANT OPTION' : '';
  const whom = grantee === 'PUBLIC' || grantee === '' ? 'PUBLIC' : identifier(grantee);
  return `GRANT ${fields.text('privilege', /^[A-Z ]+$/)} ON DATABASE :"name" TO ${whom}${grantable};`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

// psql looks for its variables outside of quotes only, so a value needs no more than SQL's own quoting.
function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}
