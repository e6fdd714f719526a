import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Whom Amazon would know, and which server it is asked for. */
export interface TokenRules {
  /** As the token must name it. */
  host: string;
  port: number;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Of credentials that were lent; absent = a token that shows one is refused. */
  sessionToken?: string;
  /** Amazon's are good for 900. */
  lifetimeSeconds: number;
}

/** Clocks may differ by so much, as at Amazon. */
const CLOCK_SKEW_MS = 5 * 60_000;

/**
 * Whether Amazon RDS would let this user in by this token: undefined, or why not. Signature Version 4 is worked out anew here, from
 * Amazon's description of it, without the code that signs.
 */
export function tokenFault(token: string, user: string, rules: TokenRules, now: Date): string | undefined {
  const [place, query] = token.split('/?', 2);
  if (query === undefined) return 'no token';
  if (place !== `${rules.host}:${rules.port}`) return `made for ${place}`;
  const fields = new URLSearchParams(query);
  const field = (name: string) => fields.get(name) ?? '';
  if (field('Action') !== 'connect' || field('DBUser') !== user) return `made for the user ${field('DBUser')}`;
  if ((fields.get('X-Amz-Security-Token') ?? undefined) !== rules.sessionToken) return 'another session';
  const scope = /^([^/]+)\/(\d{8})\/([^/]+)\/rds-db\/aws4_request$/.exec(field('X-Amz-Credential'));
  if (scope?.[1] !== rules.accessKeyId) return 'an unknown key';
  const [, , day, region] = scope;
  if (region !== rules.region) return `signed for ${region}`;
  const madeAt = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(field('X-Amz-Date'));
  if (!madeAt || !field('X-Amz-Date').startsWith(day!)) return 'no date';
  const [year, month, date, hour, minute, second] = madeAt.slice(1).map(Number) as [number, number, number, number, number, number];
  const ageMs = now.getTime() - Date.UTC(year, month - 1, date, hour, minute, second);
  if (ageMs < -CLOCK_SKEW_MS) return 'from the future';
  if (Number(field('X-Amz-Expires')) > 900 || ageMs > Math.min(rules.lifetimeSeconds, Number(field('X-Amz-Expires'))) * 1000)
    return 'expired';
  if (field('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || field('X-Amz-SignedHeaders') !== 'host') return 'signed in another way';
  const signed = query
    .split('&')
    .filter((pair) => !pair.startsWith('X-Amz-Signature='))
    .sort()
    .join('&');
  const request = ['GET', '/', signed, `host:${place}`, '', 'host', sha256('')].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', field('X-Amz-Date'), `${day}/${region}/rds-db/aws4_request`, sha256(request)].join('\n');
  const key = [day!, region, 'rds-db', 'aws4_request'].reduce<string | Buffer>(
    (last, part) => hmac(last, part),
    `AWS4${rules.secretAccessKey}`,
  );
  const expected = hmac(key, toSign);
  const given = Buffer.from(field('X-Amz-Signature'), 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected) ? undefined : 'a wrong signature';
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
