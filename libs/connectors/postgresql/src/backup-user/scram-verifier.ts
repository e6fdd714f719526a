import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { RahatError } from '@rahat/contracts';

/** As PostgreSQL's own clients choose it (scram_iterations). */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * What PostgreSQL keeps of a password (RFC 5803), made here: so the password itself is in no statement, and in no log of the server.
 * Only printable ASCII, which needs none of the normalization that SCRAM asks for (RFC 4013).
 */
export function scramVerifier(password: string, salt = randomBytes(SALT_BYTES)): string {
  if (!/^[\x20-\x7e]+$/.test(password))
    throw new RahatError('invalid_input', 'The password of a new user must consist of printable ASCII characters');
  const salted = pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, 'sha256');
  const keyed = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest();
  const [saltText, stored, server] = [salt, storedKey, keyed('Server Key')].map((bytes) => bytes.toString('base64'));
  return `SCRAM-SHA-256$${ITERATIONS}:${saltText}$${stored}:${server}`;
}
