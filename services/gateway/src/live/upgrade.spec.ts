import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { addressOfUpgrade, isLiveUpgrade, refuseForeignOrigin } from './upgrade.js';

const request = (headers: Record<string, string>, url = '/api/v2/live/?EIO=4', method = 'GET') =>
  ({ method, url, headers, socket: { remoteAddress: '10.0.0.1' } }) as unknown as IncomingMessage;
const COOKIE = { cookie: `rahat_session=rhs_${'c'.repeat(43)}` };

describe('an upgrade', () => {
  it.each([
    ['/api/v2/live', 'websocket', 'GET', true],
    ['/api/v2/live/?EIO=4&transport=websocket', 'WebSocket', 'GET', true],
    ['/api/v2/live', 'h2c', 'GET', false],
    ['/api/v2/liveliness', 'websocket', 'GET', false],
    ['/API/v2/live', 'websocket', 'GET', false],
    ['/api/v2/plans', 'websocket', 'GET', false],
    ['/api/v2/live', 'websocket', 'POST', false],
  ])('%s to %s by %s: %s', (url, upgrade, method, expected) => expect(isLiveUpgrade(request({ upgrade }, url, method))).toBe(expected));

  it.each([
    [0, '1.1.1.1, 2.2.2.2', '10.0.0.1'],
    [1, '1.1.1.1, 2.2.2.2', '2.2.2.2'],
    [2, '1.1.1.1, 2.2.2.2', '1.1.1.1'],
    [9, '1.1.1.1, 2.2.2.2', '1.1.1.1'],
    [1, '', '10.0.0.1'],
  ])('comes behind %i proxies that tell %j from %s', (proxies, told, address) =>
    expect(addressOfUpgrade(request({ 'x-forwarded-for': told }), proxies)).toBe(address),
  );

  it.each<[string, Record<string, string>, number, boolean]>([
    ['our page', { ...COOKIE, host: 'rahat:8420', origin: 'http://rahat:8420' }, 0, true],
    [
      'our page behind a proxy',
      { ...COOKIE, host: 'inside', 'x-forwarded-host': 'rahat.example', origin: 'https://rahat.example' },
      1,
      true,
    ],
    ['another port', { ...COOKIE, host: 'rahat:8420', origin: 'http://rahat:9000' }, 0, false],
    [
      'a host that it told itself',
      { ...COOKIE, host: 'rahat', 'x-forwarded-host': 'evil.example', origin: 'https://evil.example' },
      0,
      false,
    ],
    ['a sandbox', { ...COOKIE, host: 'rahat', origin: 'null' }, 0, false],
    ['a page of another site', { ...COOKIE, host: 'rahat', origin: 'http://rahat', 'sec-fetch-site': 'cross-site' }, 0, false],
    ['anywhere without a cookie', { host: 'rahat', origin: 'https://evil.example' }, 0, true],
  ])('with the cookie from %s', (_name, headers, proxies, allowed) => {
    const look = () => refuseForeignOrigin(request(headers), proxies);
    if (allowed) expect(look).not.toThrow();
    else expect(look).toThrow('another site');
  });
});
