import { BlockList, isIP } from 'node:net';
import { RahatError } from '@rahat/contracts';
import { unmapped } from '../http/client-network.js';

/** Networks that are no public host: private, local, link-local with the clouds' metadata, reserved, multicast (RFC 6890 and its registries). */
const NOT_PUBLIC_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** Within 2000::/3, outside of which nothing is public: special uses, documentation, and tunnels, whose inner address nobody checks. */
const NOT_PUBLIC_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const notPublic = networks([...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]);
const globalV6 = networks(['2000::/3']);

/** Addresses and networks as an operator writes them; names are for the caller. */
export function networks(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address, prefix] = entry.split('/') as [string, string?];
    const family = isIP(address);
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128))
      throw new RahatError('configuration_invalid', `'${entry}' is no address and no network`);
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

export function isIn(list: BlockList, address: string): boolean {
  const plain = unmapped(address);
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}

export function isPublic(address: string): boolean {
  const plain = unmapped(address);
  switch (isIP(plain)) {
    case 4:
      return !isIn(notPublic, plain);
    case 6:
      return isIn(globalV6, plain) && !isIn(notPublic, plain);
    default:
      return false;
  }
}
