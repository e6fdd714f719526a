import { RahatError } from '@rahat/contracts';
import type { NextFunction, Request, Response } from 'express';
import { ownerOf } from '../forwarding/owners.js';
import { callerOf, type Caller } from '../front-door/caller.js';
import { pathOf } from '../front-door/routes.js';
import type { AnswerStore, ClaimedRequest, KeptAnswer } from './answer-store.js';
import { holdBody } from './held-body.js';
import { bodyText, digestOf, idempotencyKeyOf } from './idempotency-key.js';
import { holdsSecret, recordAnswer, type Recorded } from './recorded-answer.js';

const RENEW_MS = 20_000;
/** Whoever answers no sooner has lost the claim. */
const LONGEST_RENEWALS = 30;
/** Says nothing about the request itself: who repeats it then shall be heard. */
const NOT_KEPT = new Set([401, 408, 425, 429]);

/** A POST with an `Idempotency-Key` is made once; whoever repeats it gets the same answer for a day. */
export class Idempotency {
  constructor(
    private readonly answers: AnswerStore,
    private readonly warn: (error: unknown) => void,
  ) {}

  readonly use = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    if (request.method !== 'POST') return next();
    const key = idempotencyKeyOf(request.headers);
    const caller = callerOf(response);
    if (key === undefined || caller === undefined) return next();
    const claimed = await claimedBy(caller, key, request);
    const claim = await this.told(() => this.answers.claim(claimed));
    switch (claim.state) {
      case 'other':
        throw new RahatError('idempotency_key_reused', 'The Idempotency-Key was used for another request.');
      case 'under-way':
        response.setHeader('Retry-After', '1');
        throw new RahatError('idempotency_in_flight', 'The request with this Idempotency-Key is still under way.');
      case 'done':
        return replay(response, claim.answer);
      case 'mine':
        this.keep(request, response, claimed, claim.token);
        next();
    }
  };

  private keep(request: Request, response: Response, claimed: ClaimedRequest, token: string): void {
    let renewals = 0;
    const renewing = setInterval(() => {
      if (++renewals > LONGEST_RENEWALS) clearInterval(renewing);
      this.answers.renew(claimed, token).catch(this.warn);
    }, RENEW_MS).unref();
    recordAnswer(response, async (recorded) => {
      clearInterval(renewing);
      // The answer is true whether or not it can be kept; an unkept one lets the claim run out.
      await this.settle(request, claimed, token, recorded).catch(this.warn);
    });
  }

  private async settle(request: Request, claimed: ClaimedRequest, token: string, { status, answer }: Recorded): Promise<void> {
    if (status >= 500 || NOT_KEPT.has(status)) return this.answers.release(claimed, token);
    const secret = answer !== null && status < 400 && (ownerOf(request.originalUrl) === 'auth' || holdsSecret(answer.body));
    await this.answers.settle(claimed, token, secret ? null : answer);
  }

  /** Without the store nobody knows whether the request was made before, and the caller has asked that it be made once. */
  private async told<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      throw new RahatError('unavailable', 'Whether this request was made before cannot be told now.', {
        cause,
        hint: 'Try again in a moment; without an Idempotency-Key it would be made at once.',
      });
    }
  }
}

async function claimedBy({ organization, subject }: Caller, key: string, request: Request): Promise<ClaimedRequest> {
  // In standalone the application has read it by now; in front of services nobody has.
  const body: unknown = request.body ?? (await holdBody(request));
  const path = pathOf(request.originalUrl);
  const query = request.originalUrl.split('?').slice(1).join('?');
  return { organization, id: digestOf(subject, request.method, path, key), fingerprint: digestOf(query, bodyText(body)) };
}

function replay(response: Response, answer: KeptAnswer | null): void {
  if (answer === null) throw new RahatError('idempotency_answer_not_kept', 'The request with this Idempotency-Key was made before.');
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.setHeader('Idempotency-Replayed', 'true');
  response.status(answer.status).end(answer.body);
}
