import { PostgresqlAddress } from '@rahat/contracts';

export type ParsedUrl = { ok: true; address: PostgresqlAddress; password: string | undefined } | { ok: false; message: string };

/** libpq's modes; `allow` has no equal here and is told instead of being weakened or tightened silently. */
const TLS_MODES: Record<string, PostgresqlAddress['tls']> = {
  disable: 'disable',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

/** `postgresql://user:password@host:port/database?sslmode=…`, percent-encoded. Messages never repeat the URL, which holds a password. */
export function parsePostgresqlUrl(text: string): ParsedUrl {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return refuse('this is no URL; it looks like postgresql://user:password@host:5432/database, with special characters percent-encoded');
  }
  if (url.protocol !== 'postgresql:' && url.protocol !== 'postgres:') return refuse('the URL starts with postgresql://');
  if (!url.hostname) return refuse('the URL names no host');
  if (!url.username) return refuse('the URL names no user');
  const mode = url.searchParams.get('sslmode') ?? 'prefer';
  const tls = TLS_MODES[mode];
  if (!tls) return refuse(`sslmode=${mode} is not supported; use ${Object.keys(TLS_MODES).join(', ')}`);
  const unknown = [...url.searchParams.keys()].filter((name) => name !== 'sslmode');
  if (unknown.length > 0) return refuse(`the option ${unknown.join(', ')} is not supported in the URL`);
  try {
    const database = decodeURIComponent(url.pathname.slice(1));
    const address = PostgresqlAddress.safeParse({
      host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1'),
      port: url.port || 5432,
      user: decodeURIComponent(url.username),
      ...(database ? { maintenanceDatabase: database } : {}),
      tls,
    });
    if (!address.success) return refuse(address.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
    return { ok: true, address: address.data, password: url.password ? decodeURIComponent(url.password) : undefined };
  } catch {
    return refuse('the URL holds a percent sign that encodes nothing; write it as %25');
  }
}

function refuse(message: string): ParsedUrl {
  return { ok: false, message };
}
