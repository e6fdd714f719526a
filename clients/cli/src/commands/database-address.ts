import { PostgresqlConnection, RahatError } from '@rahat/contracts';
import { askSecret } from '../terminal/ask-secret.js';

/** `postgresql://user@host:port/database?sslmode=…`; the password is asked for, because an argument is seen by every user of the machine. */
export async function databaseAddress(url: string, label: string): Promise<{ connection: PostgresqlConnection; database: string }> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol))
    throw new RahatError('invalid_input', 'This is not a PostgreSQL address.', {
      hint: 'Write postgresql://user@host:5432/postgres',
    });
  if (parsed.password !== '')
    throw new RahatError('invalid_input', 'The address holds a password, which every user of this machine can see.', {
      hint: 'Leave it out; give it by RAHAT_DB_PASSWORD or the prompt.',
    });
  const mode = parsed.searchParams.get('sslmode') ?? 'prefer';
  const tls = Object.hasOwn(TLS_MODES, mode) ? TLS_MODES[mode] : undefined;
  if (!tls)
    throw new RahatError('invalid_input', 'There is no such sslmode.', { hint: `Use one of ${Object.keys(TLS_MODES).join(', ')}.` });
  const password = await askSecret({ label, variable: 'RAHAT_DB_PASSWORD' });
  const database = decodeURIComponent(parsed.pathname.slice(1)) || 'postgres';
  const connection = PostgresqlConnection.parse({
    host: decodeURIComponent(parsed.searchParams.get('host') ?? parsed.hostname),
    port: parsed.port === '' ? 5432 : parsed.port,
    user: decodeURIComponent(parsed.username) || 'postgres',
    maintenanceDatabase: database,
    tls,
    password,
  });
  return { connection, database };
}

/** libpq's; those that have no equal here become the next stronger one. */
const TLS_MODES: Record<string, PostgresqlConnection['tls']> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
};
