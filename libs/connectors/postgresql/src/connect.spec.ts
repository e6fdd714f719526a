import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { connectClient } from './connect.js';

it.each(['disable', 'prefer'] as const)('ends at once when it is aborted while the server is silent (tls: %s)', async (tls) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  try {
    const { port } = silent.address() as AddressInfo;
    const connection = { host: '127.0.0.1', port, user: 'u', password: 'p', maintenanceDatabase: 'postgres', tls };
    const abort = new AbortController();
    const reason = new Error('the run was cancelled');
    const accepted = once(silent, 'connection') as Promise<[Socket]>;
    const refused = expect(connectClient(connection, { database: 'postgres', label: 'test', signal: abort.signal })).rejects.toBe(reason);
    const [socket] = await accepted;
    const closed = once(socket.resume(), 'close');
    const startedAt = performance.now();
    abort.abort(reason);
    await refused;
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  } finally {
    silent.close();
  }
});

it('tries a server again that dies in the middle of the TLS handshake', async () => {
  const dying = createServer((socket) => {
    socket.once('data', () => {
      socket.write('S');
      socket.once('data', () => socket.destroy());
    });
  }).listen(0, '127.0.0.1');
  await once(dying, 'listening');
  try {
    const { port } = dying.address() as AddressInfo;
    const connection = { host: '127.0.0.1', port, user: 'u', password: 'p', maintenanceDatabase: 'postgres', tls: 'require' as const };
    await expect(
      connectClient(connection, { database: 'postgres', label: 'test', signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'source_unreachable', retryable: true });
  } finally {
    dying.close();
  }
});
