import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { hasRedis, startRedis } from './index.js';

(hasRedis() ? describe : describe.skip)('startRedis', () => {
  it('refuses callers without the password and loses everything at a restart', async () => {
    await using server = await startRedis();
    const password = new URL(server.url).password;
    expect(await conversation(server.port, 'PING')).toContain('NOAUTH');
    expect(await conversation(server.port, `AUTH ${password}\r\nSET name value\r\nDBSIZE`)).toContain(':1');
    await server.restart();
    expect(await conversation(server.port, `AUTH ${password}\r\nDBSIZE`)).toContain(':0');
  });
});

async function conversation(port: number, lines: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString()));
  socket.write(`${lines}\r\nQUIT\r\n`);
  await once(socket, 'close');
  return answer;
}
