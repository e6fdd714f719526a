import type { AuthenticatedSubject, Principal } from '@rahat/contracts';
import { PRINCIPAL_HEADER, type PrincipalSigner } from '@rahat/service-kit';
import type { NextFunction, Request, Response } from 'express';
import { holdBody } from '../idempotency/held-body.js';
import { classOf } from '../limits/endpoint-class.js';
import type { RequestLimits } from '../limits/request-limits.js';
import type { Places } from '../overload/places.js';
import { rememberCaller } from './caller.js';
import { credentialOf, type Credential } from './credential.js';
import type { CredentialWatch } from './credential-watch.js';
import { refuseForeignPage, refuseForgedRequest } from './cross-site.js';
import { endWithCredential, isEventStream } from './ending-streams.js';
import { doorOf, isOfApi, refuseUnreadablePath } from './routes.js';
import type { SubjectCache } from './subject-cache.js';

export interface FrontDoorParts {
  principals: PrincipalSigner;
  subjects: SubjectCache;
  watch: CredentialWatch;
  limits: RequestLimits;
  /** A password is hashed at great cost on purpose: only so many tries are under way at once, so that they leave room for everything else. */
  entrance: Places;
  requestIdOf: (request: Request) => string;
}

/** Strangers at the entrance belong to no organization yet. */
const PLATFORM = 'platform';

/** Turns a credential from outside into the principal that services believe; nothing else gets one through. */
export class FrontDoor {
  constructor(private readonly parts: FrontDoorParts) {}

  readonly use = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    refuseUnreadablePath(request.originalUrl);
    const door = doorOf(request.method, request.originalUrl);
    // Only a service can sign one, and PrincipalGuard checks that; outside of /internal not even a real one is taken.
    if (door !== 'internal') delete request.headers[PRINCIPAL_HEADER];
    if (door === 'entrance') await this.enter(request, response);
    if (door === 'waiting-room') await this.ask(request, response);
    if (door === 'push') await this.charge(request, response);
    if (door === 'public' && isOfApi(request.originalUrl)) await this.charge(request, response);
    if (door === 'api') await this.authenticate(request, response);
    next();
  };

  private async enter(request: Request, response: Response): Promise<void> {
    const { limits, entrance } = this.parts;
    const address = await this.addressOfTry(request, response);
    await limits.charge(response, [limits.entrance(address)]);
    // Who takes a place takes it for no longer than a password's check: not while a slow body comes.
    if (request.body === undefined) await holdBody(request);
    await entrance.enter(address, response);
    rememberCaller(response, { organization: PLATFORM, subject: address });
  }

  private async ask(request: Request, response: Response): Promise<void> {
    const { limits } = this.parts;
    const address = await this.addressOfTry(request, response);
    await limits.charge(response, [limits.waitingRoom(address)]);
    rememberCaller(response, { organization: PLATFORM, subject: address });
  }

  /** Not counted as a try: another site's page shall not use up those of its visitor. */
  private async addressOfTry(request: Request, response: Response): Promise<string> {
    await this.chargingItsRefusal(request, response, () => refuseForeignPage(request.method, request.headers));
    return addressOf(request);
  }

  private async authenticate(request: Request, response: Response): Promise<void> {
    const credential = await this.chargingItsRefusal(request, response, () => readCredential(request));
    if (credential.by === 'nothing') return this.charge(request, response);
    const address = addressOf(request);
    const subject = await this.subjectOf(credential.text, address, request, response);
    rememberCaller(response, subject);
    if (isEventStream(request.method, request.originalUrl))
      endWithCredential(response, this.parts.watch, credential.text, { began: subject, address });
    request.headers[PRINCIPAL_HEADER] = await this.parts.principals.sign(principalOf(subject, address, this.parts.requestIdOf(request)));
    // Nobody behind the front door has any use for them.
    delete request.headers.authorization;
    delete request.headers.cookie;
  }

  /** Whoever is known is counted in one look; a stranger's address is before auth is troubled. */
  private async subjectOf(credential: string, address: string, request: Request, response: Response): Promise<AuthenticatedSubject> {
    const { limits, subjects } = this.parts;
    const asked = { credential, address };
    const known = await subjects.known(asked);
    if (known === undefined) await limits.charge(response, [limits.address(address)]);
    const subject = known ?? (await subjects.subjectOf(asked));
    const own = limits.subject(subject, classOf(request.method, request.originalUrl));
    await limits.charge(response, known === undefined ? own : [limits.address(address), ...own]);
    return subject;
  }

  private charge(request: Request, response: Response): Promise<void> {
    return this.parts.limits.charge(response, [this.parts.limits.address(addressOf(request))]);
  }

  private async chargingItsRefusal<T>(request: Request, response: Response, read: () => T): Promise<T> {
    try {
      return read();
    } catch (error) {
      await this.charge(request, response);
      throw error;
    }
  }
}

function readCredential(request: Request): Credential {
  const credential = credentialOf(request.headers);
  if (credential.by === 'cookie') refuseForgedRequest(request.method, request.headers);
  return credential;
}

function principalOf(subject: AuthenticatedSubject, address: string, requestId: string): Principal {
  const { kind, name, organization, role, scopes, serverGroups, session, mustEnrol } = subject;
  return { kind, subject: subject.subject, name, organization, role, scopes, serverGroups, session, mustEnrol, address, requestId };
}

function addressOf(request: Request): string {
  return request.ip ?? 'unknown';
}
