import { RahatError, type AuthenticatedSubject, type Principal } from '@rahat/contracts';
import { PRINCIPAL_HEADER, type PrincipalSigner } from '@rahat/service-kit';
import type { NextFunction, Request, Response } from 'express';
import { credentialOf } from './credential.js';
import { refuseForeignPage, refuseForgedRequest } from './cross-site.js';
import type { RateLimit } from './rate-limit.js';
import { endWithCredential, isEventStream } from './ending-streams.js';
import { doorOf, refuseUnreadablePath } from './routes.js';
import type { SubjectCache } from './subject-cache.js';

export interface FrontDoorParts {
  principals: PrincipalSigner;
  subjects: SubjectCache;
  /** Counts tries to get in, by address. */
  tries: RateLimit;
  /** Counts the questions of devices that wait to be let in, by address. */
  questions: RateLimit;
  requestIdOf: (request: Request) => string;
}

/** Turns a credential from outside into the principal that services believe; nothing else gets one through. */
export class FrontDoor {
  constructor(private readonly parts: FrontDoorParts) {}

  readonly use = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    refuseUnreadablePath(request.originalUrl);
    const door = doorOf(request.method, request.originalUrl);
    // Only a service can sign one, and PrincipalGuard checks that; outside of /internal not even a real one is taken.
    if (door !== 'internal') delete request.headers[PRINCIPAL_HEADER];
    if (door === 'entrance') enter(request, response, this.parts.tries);
    if (door === 'waiting-room') enter(request, response, this.parts.questions);
    if (door === 'api') await this.authenticate(request, response);
    next();
  };

  private async authenticate(request: Request, response: Response): Promise<void> {
    const credential = credentialOf(request.headers);
    if (credential.by === 'nothing') return;
    if (credential.by === 'cookie') refuseForgedRequest(request.method, request.headers);
    const address = addressOf(request);
    const subject = await this.parts.subjects.subjectOf(credential.text, address);
    if (isEventStream(request.method, request.originalUrl))
      endWithCredential(response, subject, () => this.parts.subjects.subjectOf(credential.text, address));
    request.headers[PRINCIPAL_HEADER] = await this.parts.principals.sign(principalOf(subject, address, this.parts.requestIdOf(request)));
    // Nobody behind the front door has any use for them.
    delete request.headers.authorization;
    delete request.headers.cookie;
  }
}

function enter(request: Request, response: Response, limit: RateLimit): void {
  refuseForeignPage(request.method, request.headers);
  const decision = limit.take(addressOf(request));
  for (const [name, value] of Object.entries(limit.headers(decision))) response.setHeader(name, value);
  if (!decision.allowed) throw new RahatError('rate_limited', `Too many tries from this address. Try again in ${decision.resetSeconds} s.`);
}

function principalOf(subject: AuthenticatedSubject, address: string, requestId: string): Principal {
  const { kind, name, organization, role, scopes, session, mustEnrol } = subject;
  return { kind, subject: subject.subject, name, organization, role, scopes, session, mustEnrol, address, requestId };
}

function addressOf(request: Request): string {
  return request.ip ?? 'unknown';
}
