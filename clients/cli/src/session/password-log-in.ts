import { sessionsCreate, sessionsProve, type Client, type LoginChallenge, type SecondFactorProof, type TokenPair } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { askSecret } from '../terminal/ask-secret.js';
import { answer } from './api.js';

/** A log-in by password, and by a second factor where one is due. */
export async function logInByPassword(client: Client, credentials: { email: string; password: string }): Promise<TokenPair> {
  const first = await answer(sessionsCreate({ client, body: credentials }));
  if (!('challenge' in first)) return first;
  return answer(sessionsProve({ client, body: { challenge: first.challenge, proof: await askProof(first) } }));
}

async function askProof({ methods }: LoginChallenge): Promise<SecondFactorProof> {
  if (!methods.includes('totp') && !methods.includes('recovery_code'))
    throw new RahatError('second_factor_refused', 'This account logs in with a passkey, which needs a browser.', {
      hint: 'Run `rahat-backup login` without a password, and approve it in the browser.',
    });
  const typed = (await askSecret({ label: 'Code of your authenticator app, or a recovery code', variable: 'RAHAT_SECOND_FACTOR' })).trim();
  return /^\d{3} ?\d{3}$/.test(typed) ? { code: typed.replace(' ', '') } : { recoveryCode: typed };
}
