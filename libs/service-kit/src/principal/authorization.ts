import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Principal, Scope } from '@rahat/contracts';
import type { Request } from 'express';

/** How a handler says who may call it. One that says nothing is closed to everyone. */
export type Authorization = { access: 'public' } | { access: 'internal' } | { access: 'scopes'; scopes: Scope[] };

export const AUTHORIZATION = 'rahat:authorization';

/** A request whose caller was verified. */
export type PrincipalRequest = Request & { principal?: Principal };

/** Tells the same in the API's document, where tests and readers find it. */
export const ACCESS_EXTENSION = 'x-rahat-access';

const declare = (authorization: Authorization) =>
  applyDecorators(SetMetadata(AUTHORIZATION, authorization), ApiExtension(ACCESS_EXTENSION, { ...authorization }));

/** The caller needs every one of `scopes`; none means any authenticated caller. */
export const Requires = (...scopes: Scope[]) => declare({ access: 'scopes', scopes });

export const OPEN_TO_ENROLMENT = 'rahat:open-to-enrolment';

/** Also for a user who has to add a second factor first; everything else is closed to them until then. */
export const OpenToEnrolment = () => SetMetadata(OPEN_TO_ENROLMENT, true);

export const WITHIN_SERVER_GROUPS = 'rahat:within-server-groups';

/** Tells the same in the API's document. */
export const WITHIN_EXTENSION = 'x-rahat-within-server-groups';

/** Also for whoever's role is limited to server groups: what is answered and done lies within them. Everything else is closed to them. */
export const WithinServerGroups = () => applyDecorators(SetMetadata(WITHIN_SERVER_GROUPS, true), ApiExtension(WITHIN_EXTENSION, true));

/** Open to everyone, without a principal. */
export const Public = () => declare({ access: 'public' });

/** Open to other services only. */
export const InternalOnly = () => SetMetadata(AUTHORIZATION, { access: 'internal' } satisfies Authorization);

/** The verified caller; on a `@Public()` handler undefined unless the caller sent a valid principal. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<PrincipalRequest>().principal,
);
