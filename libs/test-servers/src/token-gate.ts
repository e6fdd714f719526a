import { once } from 'node:events';
import net from 'node:net';
import { tokenFault, type TokenRules } from './token-check.js';

/** What was shown at the gate, and why it was refused where it was. */
export interface ShownToken {
  user: string;
  token: string;
  fault: string | undefined;
}

export interface TokenGate extends AsyncDisposable {
  /** For pg_hba.conf: who is let in by tokens alone, and only over TLS. */
  hbaLines(user: string): string;
  /** May be changed at any time. */
  rules: TokenRules;
  readonly shown: ShownToken[];
}

/**
 * In the place of Amazon: PostgreSQL asks it about each log-in, by LDAP, and it judges the token that came as the password. (Amazon
 * itself asks by PAM, which can be set up for the whole machine only, and cuts long tokens off.)
 */
export async function startTokenGate(rules: TokenRules): Promise<TokenGate> {
  const shown: ShownToken[] = [];
  const gate = { rules };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      for (let message = elementOf(received); message; message = elementOf(received)) {
        received = received.subarray(message.end);
        const bind = bindIn(message.content);
        // The other thing that a client says is good-bye.
        if (!bind) return void socket.end();
        const fault = tokenFault(bind.password, bind.user, gate.rules, new Date());
        shown.push({ user: bind.user, token: bind.password, fault });
        socket.write(bindAnswer(bind.id, fault === undefined ? SUCCESS : INVALID_CREDENTIALS));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  return Object.assign(gate, {
    shown,
    hbaLines: (user: string) =>
      `hostssl all ${user} all ldap ldapserver=127.0.0.1 ldapport=${port} ldapprefix="cn=" ldapsuffix=",dc=rds"\nhostnossl all ${user} all reject\n`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

/** Result codes of RFC 4511. */
const SUCCESS = 0;
const INVALID_CREDENTIALS = 49;
/** Tags of BER, as LDAP uses them. */
const SEQUENCE = 0x30;
const BIND_REQUEST = 0x60;
const BIND_RESPONSE = 0x61;

interface Element {
  tag: number;
  content: Buffer;
  end: number;
}

/** The first element of BER; undefined while it hasn't come as a whole. */
function elementOf(bytes: Buffer): Element | undefined {
  const short = bytes[1];
  if (short === undefined) return undefined;
  const lengthBytes = short > 0x80 ? short - 0x80 : 0;
  if (bytes.length < 2 + lengthBytes) return undefined;
  const start = 2 + lengthBytes;
  const length = lengthBytes === 0 ? short : bytes.readUIntBE(2, lengthBytes);
  if (bytes.length < start + length) return undefined;
  return { tag: bytes[0]!, content: bytes.subarray(start, start + length), end: start + length };
}

function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = [];
  for (let rest = bytes, one = elementOf(rest); one; rest = rest.subarray(one.end), one = elementOf(rest)) elements.push(one);
  return elements;
}

function bindIn(message: Buffer): { id: Buffer; user: string; password: string } | undefined {
  const [id, operation] = elementsOf(message);
  if (!id || operation?.tag !== BIND_REQUEST) return undefined;
  const [, name, password] = elementsOf(operation.content);
  const user = /^cn=(.*),dc=rds$/.exec(name?.content.toString('utf8') ?? '')?.[1] ?? '';
  return { id: id.content, user, password: password?.content.toString('utf8') ?? '' };
}

function bindAnswer(id: Buffer, code: number): Buffer {
  const result = Buffer.concat([element(0x0a, Buffer.from([code])), element(0x04, Buffer.alloc(0)), element(0x04, Buffer.alloc(0))]);
  return element(SEQUENCE, Buffer.concat([element(0x02, id), element(BIND_RESPONSE, result)]));
}

function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
}
