import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { allows, type Principal, RahatError } from '@rahat/contracts';
import { AUTHORIZATION, OPEN_TO_ENROLMENT, WITHIN_SERVER_GROUPS, type Authorization, type PrincipalRequest } from './authorization.js';
import { PRINCIPAL_HEADER, type PrincipalVerifier } from './principal-token.js';

/** Verifies the principal of every request and what the handler asks of it. */
export class PrincipalGuard implements CanActivate {
  constructor(
    private readonly verifier: PrincipalVerifier,
    private readonly reflector: Reflector = new Reflector(),
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    const authorization = this.reflector.getAllAndOverride<Authorization | undefined>(AUTHORIZATION, places);
    const request = context.switchToHttp().getRequest<PrincipalRequest>();
    const token = request.headers[PRINCIPAL_HEADER];
    if (typeof token === 'string') request.principal = await this.verifier.verify(token);
    if (authorization?.access === 'public') return true;
    if (!request.principal) throw new RahatError('unauthenticated', 'This request needs authentication');
    if (request.principal.mustEnrol && this.reflector.getAllAndOverride<boolean>(OPEN_TO_ENROLMENT, places) !== true)
      throw new RahatError('second_factor_required', 'Your organization requires a second factor, and this session has shown none.');
    if (
      authorization?.access === 'scopes' &&
      request.principal.serverGroups !== null &&
      this.reflector.getAllAndOverride<boolean>(WITHIN_SERVER_GROUPS, places) !== true
    )
      throw new RahatError('forbidden', 'This is for all of the organization, and your role is limited to server groups.', {
        hint: 'Ask somebody whose role is not limited.',
      });
    demand(request.principal, authorization, `${context.getClass().name}.${context.getHandler().name}`);
    return true;
  }
}

function demand(principal: Principal, authorization: Exclude<Authorization, { access: 'public' }> | undefined, handler: string): void {
  if (!authorization)
    throw new RahatError('forbidden', `${handler} does not declare who may call it`, {
      hint: 'Report this: the route is closed to everyone.',
    });
  if (authorization.access === 'internal') {
    if (principal.kind !== 'service') throw new RahatError('forbidden', 'Only services may call this');
    return;
  }
  const missing = authorization.scopes.filter((scope) => !allows(principal, scope));
  if (missing.length > 0)
    throw new RahatError('forbidden', `The role or key lacks: ${missing.join(', ')}`, { hint: 'Ask an owner or admin for this right.' });
}
