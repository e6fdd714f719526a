import type { ServerResponse } from 'node:http';
import { RahatError, type LoginChallenge, type TokenPair } from '@rahat/contracts';
import type { AuthConfig } from '../config.js';
import type { LogInOutcome } from './log-in.service.js';
import { setSessionCookie } from './session-cookie.js';

/** 201 with tokens and the cookie, 202 with the question for a second factor, or an error that says what to do. */
export function answerLogIn(response: ServerResponse, config: AuthConfig, result: LogInOutcome): TokenPair | LoginChallenge {
  switch (result.outcome) {
    case 'started':
      setSessionCookie(response, config, result.started.cookie);
      return result.started.tokens;
    case 'challenged':
      response.statusCode = 202;
      return result.challenge;
    case 'wait':
    case 'refused':
      throw refusalOf(response, result);
  }
}

export function refusalOf(response: ServerResponse, result: Extract<LogInOutcome, { outcome: 'wait' | 'refused' }>): RahatError {
  if (result.outcome === 'wait') {
    response.setHeader('retry-after', result.seconds);
    return new RahatError('rate_limited', `Too many failed log-ins. Try again in ${result.seconds} s.`);
  }
  switch (result.because) {
    case 'unauthenticated':
      return new RahatError('unauthenticated', 'The e-mail or the password is wrong, or the passkey is not known here.', {
        hint: 'Check them; after several failures each try has to wait.',
      });
    case 'second_factor_refused':
      return new RahatError('second_factor_refused', 'This code is wrong, or was used before, or the passkey is not yours.');
    case 'challenge_ended':
      return new RahatError('challenge_ended', 'This log-in is over: it took too long, too many tries, or was answered already.');
  }
}
