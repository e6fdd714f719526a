import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { RahatError } from '@rahat/contracts';
import { encodeMessage } from './messages.js';

export interface Login {
  user: string;
  password: string;
  encrypted: boolean;
}

/** One login's dialogue: answers each authentication request (type R) of the server; undefined when none is due. */
export class Authentication {
  private scram?: ScramDialogue;

  constructor(private readonly login: Login) {}

  async answer(body: Buffer): Promise<Buffer | undefined> {
    switch (body.readInt32BE(0)) {
      case 0:
        // A server that skips the last step of SCRAM has not proven that it knows the password.
        if (this.scram && !this.scram.serverProven) throw impostor();
        return undefined;
      case 3:
        if (!this.login.encrypted) {
          throw new RahatError(
            'source_authentication_failed',
            'The server asks for the password in clear text over an unencrypted connection',
            {
              hint: 'Use scram-sha-256 in the server\'s pg_hba.conf, or set TLS to "require".',
            },
          );
        }
        return encodeMessage('p', this.login.password, '\0');
      case 5:
        return encodeMessage('p', md5Answer(this.login, body.subarray(4, 8)), '\0');
      case 10:
        if (!body.toString('utf8', 4).split('\0').includes('SCRAM-SHA-256')) throw unsupported('SASL without SCRAM-SHA-256');
        this.scram = new ScramDialogue(this.login.password);
        return this.scram.first();
      case 11:
        if (!this.scram) throw impostor();
        return this.scram.final(body.toString('utf8', 4));
      case 12:
        if (!this.scram) throw impostor();
        this.scram.proveServer(body.toString('utf8', 4));
        return undefined;
      default:
        throw unsupported(`number ${body.readInt32BE(0)}`);
    }
  }
}

function md5Answer({ user, password }: Login, salt: Buffer): string {
  const inner = createHash('md5').update(password).update(user).digest('hex');
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`;
}

/** RFC 5802 with SHA-256, without channel binding. */
class ScramDialogue {
  private readonly nonce = randomBytes(18).toString('base64');
  private serverSignature: Buffer = Buffer.alloc(0);
  serverProven = false;

  constructor(private readonly password: string) {}

  first(): Buffer {
    const message = Buffer.from(`n,,${this.firstBare}`);
    const length = Buffer.alloc(4);
    length.writeInt32BE(message.length);
    return encodeMessage('p', 'SCRAM-SHA-256\0', length, message);
  }

  async final(challenge: string): Promise<Buffer> {
    const fields = scramFields(challenge);
    const nonce = fields.get('r') ?? '';
    const iterations = Number(fields.get('i'));
    const salt = fields.get('s');
    if (!nonce.startsWith(this.nonce) || nonce === this.nonce || !salt || !(iterations >= 1 && iterations <= 10_000_000)) throw impostor();
    // SASLprep of RFC 4013 in what matters in practice: compatibility forms are made one.
    const password = this.password.normalize('NFKC');
    const salted = await promisify(pbkdf2)(password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const withoutProof = `c=biws,r=${nonce}`;
    const transcript = `${this.firstBare},${challenge},${withoutProof}`;
    const signature = hmac(storedKey, transcript);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    this.serverSignature = hmac(hmac(salted, 'Server Key'), transcript);
    return encodeMessage('p', `${withoutProof},p=${proof.toString('base64')}`);
  }

  proveServer(message: string): void {
    const given = Buffer.from(scramFields(message).get('v') ?? '', 'base64');
    if (given.length !== this.serverSignature.length || !timingSafeEqual(given, this.serverSignature)) throw impostor();
    this.serverProven = true;
  }

  /** The user's name is left empty: the server takes the one of the start-up message. */
  private get firstBare(): string {
    return `n=,r=${this.nonce}`;
  }
}

function scramFields(message: string): Map<string, string> {
  return new Map(message.split(',').map((field) => [field.charAt(0), field.slice(2)]));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function impostor(): RahatError {
  return new RahatError('source_authentication_failed', 'The server could not prove that it knows the password', {
    hint: 'Something else than your database may answer at this address. Check host and port, and use TLS "verify-full".',
  });
}

function unsupported(method: string): RahatError {
  return new RahatError('source_authentication_failed', `The server asks for an authentication method that is not supported (${method})`, {
    hint: "Allow scram-sha-256 for this user in the server's pg_hba.conf.",
  });
}
