import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import type { World } from './world.js';

/** The wire between the platform and its source server, where a test can stop the answers in mid-stream. */
export interface Gate extends AsyncDisposable {
  /** A connection that has carried so many bytes from the server carries no more, until `open`. */
  closeAfter(bytes: number): void;
  open(): void;
}

/** From here on the world's source is reached through the gate. */
export async function installGate(world: World): Promise<Gate> {
  let limit = Infinity;
  const held = new Set<() => void>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(world.source.port, world.source.host);
    let carried = 0;
    client.pipe(upstream);
    upstream.on('data', (bytes: Buffer) => {
      carried += bytes.length;
      const hasRoom = client.write(bytes);
      if (carried >= limit) {
        upstream.pause();
        held.add(() => upstream.resume());
      } else if (!hasRoom) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
    });
    upstream.once('end', () => client.end());
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      // A killed peer resets its connection; whoever is at the other end must learn of it.
      socket.once('error', () => other.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  Object.assign(world.connection, { host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  return {
    closeAfter: (bytes) => void (limit = bytes),
    open() {
      limit = Infinity;
      for (const release of held) release();
      held.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
