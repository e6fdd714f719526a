import { isIP } from 'node:net';

/** RFC 4291 §2.5.5.2, as URLs write it. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
/** RFC 6052 §2.1: a translator in front of a network without IPv4 shows every IPv4 client within this one /64. */
const TRANSLATED = /^64:ff9b::([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Whom limits count as one client: an IPv4 address, or the /64 that is given to one place and holds more addresses than can be counted.
 * What is no address is itself.
 */
export function networkOf(address: string): string {
  const plain = withoutPort(address).split('%', 1)[0]!;
  if (isIP(plain) !== 6) return plain;
  const written = asUrlsWrite(plain);
  return innerIpv4(written, MAPPED) ?? innerIpv4(written, TRANSLATED) ?? `${groupsOf(written).slice(0, 4).join(':')}::/64`;
}

/** `::ffff:127.0.0.1` is 127.0.0.1, however it is written. */
export function unmapped(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address;
  const written = asUrlsWrite(address);
  return innerIpv4(written, MAPPED) ?? written;
}

/** RFC 5952: in lower case, zeros compressed, without dots. */
function asUrlsWrite(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

function innerIpv4(written: string, form: RegExp): string | undefined {
  const [, high, low] = form.exec(written) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

function groupsOf(written: string): string[] {
  const [front = [], back] = written.split('::').map((part) => (part === '' ? [] : part.split(':')));
  return back === undefined ? front : [...front, ...new Array<string>(8 - front.length - back.length).fill('0'), ...back];
}

/** Some proxies tell the port of a client as well, which is another one for each connection. */
function withoutPort(address: string): string {
  return (/^\[([^\]]*)\](?::\d+)?$/.exec(address) ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(address))?.[1] ?? address;
}
