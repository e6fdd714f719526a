import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isPublic } from './addresses.js';
import { OutgoingClient } from './outgoing-client.js';

let server: Server;
let port: number;
const seen: { method?: string; url?: string; host?: string; body: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, host: request.headers.host, body });
      if (request.url === '/silent') return;
      if (request.url === '/elsewhere') response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' });
      response.end(request.url === '/long' ? 'x'.repeat(1_000_000) : 'heard');
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const send = (client: OutgoingClient, url: string, change: object = {}) =>
  client.send({ url, method: 'POST', body: '{}', timeoutMs: 2_000, ...change });
const local = () => new OutgoingClient(['127.0.0.0/8']);
const standingFor = (...addresses: string[]) =>
  new OutgoingClient([], (_host, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    ),
  );

describe('an outgoing request', () => {
  it.each([
    'http://127.0.0.1',
    'http://2130706433',
    'http://0x7f.1',
    'http://0177.0.0.1',
    'http://127.1',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[0:0:0:0:0:ffff:7f00:1]',
    'http://169.254.169.254/latest/meta-data',
    'http://[fd00:ec2::254]',
    'http://[fe80::1]',
    'http://[64:ff9b::a00:1]',
    'http://[2002:7f00:1::]',
    'http://10.0.0.1',
    'http://192.168.1.1',
    'http://0.0.0.0',
    'http://100.100.100.200',
    'http://user:secret@example.org',
    'ftp://example.org',
    'nonsense',
  ])('to %s is refused', async (url) => {
    const before = seen.length;
    await expect(send(new OutgoingClient(), url.startsWith('http://127.0.0.1') ? `${url}:${port}` : url)).rejects.toMatchObject({
      code: 'outgoing_refused',
    });
    expect(seen).toHaveLength(before);
  });

  it('to a name is refused when any of its addresses is, and goes to the one that was checked', async () => {
    for (const addresses of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::ffff:192.168.0.1'], []])
      await expect(send(standingFor(...addresses), `http://innocent.example:${port}/`)).rejects.toMatchObject({ code: 'outgoing_refused' });
    // A name that answers differently each time is asked once.
    let asked = 0;
    const rebinding = new OutgoingClient(['127.0.0.1'], (_host, done) =>
      done(null, [{ address: (asked += 1) === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]),
    );
    expect(await send(rebinding, `http://rebinding.example:${port}/`)).toEqual({ status: 200, text: 'heard' });
    expect([asked, seen.at(-1)!.host]).toEqual([1, `rebinding.example:${port}`]);
  });

  it('reaches what the operator allows, by network or by name', async () => {
    expect(await send(local(), `http://127.0.0.1:${port}/hook`, { body: '{"a":1}' })).toEqual({ status: 200, text: 'heard' });
    expect(seen.at(-1)).toMatchObject({ method: 'POST', url: '/hook', body: '{"a":1}' });
    expect((await send(new OutgoingClient(['LocalHost']), `http://localhost:${port}/`)).status).toBe(200);
  });

  it('does not follow redirects, keeps only the beginning of an answer, and does not wait for ever', async () => {
    expect((await send(local(), `http://127.0.0.1:${port}/elsewhere`)).status).toBe(302);
    expect((await send(local(), `http://127.0.0.1:${port}/long`)).text.length).toBe(16_384);
    await expect(send(local(), `http://127.0.0.1:${port}/silent`, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(send(local(), `http://127.0.0.1:${port}/silent`, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow(
      'stopped',
    );
    await expect(send(local(), 'http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('gives a library the whole answer with its headers, and none that is too long', async () => {
    const fetched = (url: string, mostBytes: number) =>
      local().fetch({ url: `http://127.0.0.1:${port}${url}`, method: 'GET', timeoutMs: 2_000 }, { mostBytes });
    const redirect = await fetched('/elsewhere', 100);
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, 'http://169.254.169.254/latest/meta-data']);
    expect((await (await fetched('/long', 1_000_000)).text()).length).toBe(1_000_000);
    await expect(fetched('/long', 999_999)).rejects.toMatchObject({ code: 'unavailable', retryable: false });
    await expect(
      new OutgoingClient().fetch({ url: `http://127.0.0.1:${port}/`, method: 'GET', timeoutMs: 2_000 }, { mostBytes: 9 }),
    ).rejects.toMatchObject({ code: 'outgoing_refused' });
  });

  it('knows public addresses', () => {
    for (const address of ['8.8.8.8', '172.15.0.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
      expect([address, isPublic(address)]).toEqual([address, true]);
    for (const address of ['', 'localhost', '::', 'fe80::1%eth0', '255.255.255.255', '2001:db8::1'])
      expect([address, isPublic(address)]).toEqual([address, false]);
  });

  it('is not allowed by mistyped networks', () => {
    expect(() => new OutgoingClient(['10.0.0.0/99'])).toThrow('no network');
  });
});
