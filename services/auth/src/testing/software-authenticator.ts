import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { PasskeyAssertion, PasskeyAttestation } from '@rahat/contracts';
import { isoCBOR } from '@simplewebauthn/server/helpers';

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const ATTESTED = 0x40;

/** What an attacker, or a broken authenticator, does otherwise. */
export interface Deviation {
  origin?: string;
  rpId?: string;
  userVerified?: boolean;
  challenge?: string;
  counter?: number;
  type?: string;
  userHandle?: string;
  signWith?: KeyObject;
}

interface Options {
  challenge: string;
  rpId?: string;
  rp?: { id: string };
  user?: { id: string };
}

/** An authenticator as WebAuthn describes it, with one ES256 key, real signatures and a counter. */
export class SoftwareAuthenticator {
  readonly credentialId = randomBytes(32);
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  private counter = 0;
  private userHandle: string | undefined;

  constructor(private readonly origin: string) {}

  make(options: object, deviation: Deviation = {}): PasskeyAttestation {
    const { challenge, rp, user } = options as Options;
    this.userHandle = user?.id;
    const clientData = this.clientData('webauthn.create', challenge, deviation);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.credentialId.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.credentialId, this.coseKey()]);
    const authData = Buffer.concat([this.authenticatorData(rp!.id, ATTESTED, deviation), attested]);
    const attestation = isoCBOR.encode(
      new Map<string, string | Uint8Array | Map<string, string>>([
        ['fmt', 'none'],
        ['attStmt', new Map<string, string>()],
        ['authData', new Uint8Array(authData)],
      ]),
    );
    return {
      ...this.envelope(),
      response: { clientDataJSON: encode(clientData), attestationObject: encode(attestation), transports: ['internal'] },
    };
  }

  answer(options: object, deviation: Deviation = {}): PasskeyAssertion {
    const { challenge, rpId } = options as Options;
    const clientData = this.clientData('webauthn.get', challenge, deviation);
    const authData = this.authenticatorData(rpId!, 0, deviation);
    const signed = Buffer.concat([authData, createHash('sha256').update(clientData).digest()]);
    return {
      ...this.envelope(),
      response: {
        clientDataJSON: encode(clientData),
        authenticatorData: encode(authData),
        signature: encode(sign('sha256', signed, deviation.signWith ?? this.keys.privateKey)),
        userHandle: deviation.userHandle ?? this.userHandle,
      },
    };
  }

  private envelope() {
    const id = encode(this.credentialId);
    return { id, rawId: id, type: 'public-key' as const, clientExtensionResults: {} };
  }

  private clientData(type: string, challenge: string, deviation: Deviation): Buffer {
    const data = { type: deviation.type ?? type, challenge: deviation.challenge ?? challenge, origin: deviation.origin ?? this.origin };
    return Buffer.from(JSON.stringify({ ...data, crossOrigin: false }));
  }

  private authenticatorData(rpId: string, flags: number, deviation: Deviation): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(deviation.counter ?? (this.counter += 1));
    const verified = (deviation.userVerified ?? true) ? USER_VERIFIED : 0;
    const hash = createHash('sha256')
      .update(deviation.rpId ?? rpId)
      .digest();
    return Buffer.concat([hash, Buffer.from([flags | USER_PRESENT | verified]), counter]);
  }

  /** RFC 9053: EC2, ES256, P-256. */
  private coseKey(): Uint8Array {
    const { x, y } = this.keys.publicKey.export({ format: 'jwk' });
    const bytes = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64url'));
    return isoCBOR.encode(
      new Map<number, number | Uint8Array>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, bytes(x)],
        [-3, bytes(y)],
      ]),
    );
  }
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
