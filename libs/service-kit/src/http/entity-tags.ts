import { createHash } from 'node:crypto';
import {
  applyDecorators,
  type CallHandler,
  createParamDecorator,
  type ExecutionContext,
  type NestInterceptor,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { RahatError } from '@rahat/contracts';
import type { Request, Response } from 'express';
import { map, type Observable } from 'rxjs';

const TAGGED = 'rahat:tagged';

/**
 * The handler's answer is one resource that can be edited, or the handler edits one: answers get a strong ETag, and `@IfMatch()` works.
 * `changing` names what changes without anybody's edit; the tag says nothing about that.
 */
// On its handlers alone: an interceptor before a stream of events would begin the stream before it is known whether there is one.
export const Tagged = (...changing: string[]) => applyDecorators(SetMetadata(TAGGED, changing), UseInterceptors(new EntityTags(changing)));

/** The handler edits such a resource and answers with more than it: `@IfMatch()` works, and the answer has no ETag. */
export const Edits = (...changing: string[]) => SetMetadata(TAGGED, changing);

/** Refuses an edit with `precondition_failed` when the resource isn't what its editor saw. To be called with the row locked. */
export type Expected = (current: object) => void;

/** For who edits whatever is there. */
export const whatever: Expected = () => undefined;

/** What the caller's If-Match expects of the resource, as the handler's `@Tagged` presents it. */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): Expected => {
  const changing = new Reflector().get<string[] | undefined>(TAGGED, context.getHandler());
  if (changing === undefined) throw new RahatError('internal', `${context.getHandler().name} has neither @Tagged nor @Edits`);
  return expectedBy(context.switchToHttp().getRequest<Request>().headers['if-match'], changing);
});

function expectedBy(header: string | undefined, changing: readonly string[]): Expected {
  if (header === undefined || header.trim() === '*') return whatever;
  const tags = header.split(',').map((tag) => tag.trim());
  return (current) => {
    if (tags.includes(entityTagOf(current, changing))) return;
    throw new RahatError('precondition_failed', 'Somebody changed this in the meantime.');
  };
}

function entityTagOf(representation: object, changing: readonly string[]): string {
  const lasting = Object.entries(representation).filter(([name]) => !changing.includes(name));
  // As it goes over the wire: a Date and its text are the same.
  return `"${createHash('sha256').update(JSON.stringify(lasting)).digest('base64url').slice(0, 27)}"`;
}

/** Sets the ETag, and sends nothing to who has it already. */
class EntityTags implements NestInterceptor {
  constructor(private readonly changing: readonly string[]) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const [request, response] = [http.getRequest<Request>(), http.getResponse<Response>()];
    return next.handle().pipe(
      map((answer: unknown) => {
        if (typeof answer !== 'object' || answer === null) return answer;
        const tag = entityTagOf(answer, this.changing);
        response.setHeader('ETag', tag);
        // Not left to Express: it sends everything to a `fetch` that asks so, whose own rules make it say no-cache.
        if (request.method !== 'GET' || !isAmong(tag, request.headers['if-none-match'])) return answer;
        response.status(304);
        return undefined;
      }),
    );
  }
}

/** RFC 9110 §13.1.2: weakly, because proxies that compress make a tag a weak one. */
function isAmong(tag: string, header: string | undefined): boolean {
  return header?.split(',').some((one) => one.trim().replace(/^W\//, '') === tag || one.trim() === '*') ?? false;
}
