import { setTimeout as sleep } from 'node:timers/promises';
import { SCHEDULER, type Answer, type Question, type QuestionName } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';

const FIRST_PAUSE_MS = 200;

export interface Patience {
  answerLimitMs: number;
  longestPauseMs: number;
  signal: AbortSignal;
  /** Hears why there was no answer; what it throws ends the asking. */
  onFailure(error: unknown): void;
}

/** Asks until there is an answer; undefined when `signal` ends the wait. */
export async function askScheduler<N extends QuestionName>(
  messaging: Messaging,
  name: N,
  question: Question<N>,
  { answerLimitMs, longestPauseMs, signal, onFailure }: Patience,
): Promise<Answer<N> | undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await messaging.ask(SCHEDULER, name, question, answerLimitMs);
    } catch (error) {
      onFailure(error);
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}
