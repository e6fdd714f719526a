import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface PartingProxy extends AsyncDisposable {
  port: number;
  /** While true, each new connection is told that the server goes down as soon as it is ready, in one piece with that. */
  parting: boolean;
  /** So many connections were. */
  parted: number;
}

const READY_FOR_QUERY = 'Z';

/**
 * In front of a real PostgreSQL that is shut down in the very moment in which it lets somebody in. A client that reads the two messages
 * at once hears of the end before whoever opened it hears that it is open.
 */
export async function startPartingProxy(serverPort: number): Promise<PartingProxy> {
  const open = new Set<Socket>();
  const wire = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        for (const other of [client, server]) other.destroy();
      });
    }
    client.pipe(server);
    if (proxy.parting) partWhenReady(server, client, () => void proxy.parted++);
    else server.pipe(client);
  });
  wire.listen(0, '127.0.0.1');
  await once(wire, 'listening');
  const proxy: PartingProxy = {
    port: (wire.address() as AddressInfo).port,
    parting: false,
    parted: 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => wire.close(closed));
    },
  };
  return proxy;
}

function partWhenReady(server: Socket, client: Socket, parted: () => void): void {
  let held = Buffer.alloc(0);
  server.on('data', (bytes) => {
    held = Buffer.concat([held, bytes]);
    const end = endOfReady(held);
    if (end === undefined) {
      // What is asked before it is ready has to be answered; whole messages only, so that the next look begins at one.
      const whole = endOfWhole(held);
      client.write(held.subarray(0, whole));
      held = held.subarray(whole);
      return;
    }
    parted();
    client.end(Buffer.concat([held.subarray(0, end), farewell()]));
    server.destroy();
  });
}

function* messages(bytes: Buffer): Generator<{ type: string; end: number }> {
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) return;
    yield { type: String.fromCharCode(bytes[at]!), end };
    at = end;
  }
}

function endOfReady(bytes: Buffer): number | undefined {
  for (const { type, end } of messages(bytes)) if (type === READY_FOR_QUERY) return end;
  return undefined;
}

function endOfWhole(bytes: Buffer): number {
  let whole = 0;
  for (const { end } of messages(bytes)) whole = end;
  return whole;
}

function farewell(): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to administrator command'];
  const body = Buffer.from(`${fields.map((field) => `${field}\0`).join('')}\0`);
  const head = Buffer.from('E\0\0\0\0');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
