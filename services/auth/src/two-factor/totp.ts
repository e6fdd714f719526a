import { generateSecret, generateURI, verify } from 'otplib';
import { toString as drawQrCode } from 'qrcode';

/** RFC 6238 §5.2: a clock may be one step away, in either direction. */
const DRIFT_SECONDS = 30;
const ISSUER = 'Rahat Backup';

export interface NewTotpSecret {
  secret: string;
  otpauthUri: string;
  qrCode: string;
}

export async function newTotpSecret(email: string): Promise<NewTotpSecret> {
  const secret = generateSecret();
  const otpauthUri = generateURI({ issuer: ISSUER, label: email, secret });
  const svg = await drawQrCode(otpauthUri, { type: 'svg', errorCorrectionLevel: 'M' });
  return { secret, otpauthUri, qrCode: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}` };
}

/** The time step of a right code that is younger than `afterStep`; undefined for every other one. */
export async function stepOfCode(
  secret: string,
  code: string,
  { afterStep, now }: { afterStep: number | undefined; now: Date },
): Promise<number | undefined> {
  const result = await verify({ secret, token: code, epoch: Math.floor(now.getTime() / 1000), epochTolerance: DRIFT_SECONDS });
  if (!result.valid || !('timeStep' in result)) return undefined;
  // Not left to the library: it throws when the last step lies ahead, as it does after a clock was set back.
  return afterStep === undefined || result.timeStep > afterStep ? result.timeStep : undefined;
}
