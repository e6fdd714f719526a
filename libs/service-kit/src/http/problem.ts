import { HttpException } from '@nestjs/common';
import { ERROR_CATALOGUE, RahatError, type ErrorCode, type Problem } from '@rahat/contracts';
import { z } from 'zod';

export interface InvalidPart {
  pointer: string;
  code: string;
  message: string;
}

/** A request that its schema refuses, with the places. */
export class InvalidRequest extends RahatError {
  constructor(readonly parts: InvalidPart[]) {
    super('invalid_input', parts.length === 1 ? `${parts[0]!.pointer}: ${parts[0]!.message}` : `The request has ${parts.length} mistakes`);
  }
}

interface SchemaIssue {
  message: string;
  code?: unknown;
  path?: readonly (PropertyKey | { key: PropertyKey })[];
}

export function invalidRequest(issues: readonly SchemaIssue[]): InvalidRequest {
  return new InvalidRequest(
    issues.map(({ path = [], code, message }) => ({
      pointer: `#${path.map((part) => `/${escapePointer(String(typeof part === 'object' ? part.key : part))}`).join('')}`,
      code: typeof code === 'string' ? code : 'invalid',
      message,
    })),
  );
}

const CODE_OF_STATUS: Record<number, ErrorCode> = {
  400: 'malformed_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'invalid_input',
  429: 'rate_limited',
  431: 'headers_too_large',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** Any thrown value as RFC 9457 tells it to the caller; what only the log may know stays out. */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof z.core.$ZodError) return problemOf(invalidRequest(error.issues), requestId);
  if (error instanceof RahatError) {
    const { code, hint, retryable } = error;
    return {
      ...head(code, requestId),
      // The message of an unexpected error may hold internals.
      detail: code === 'internal' ? ERROR_CATALOGUE.internal.title : error.message,
      hint,
      retryable,
      errors: error instanceof InvalidRequest ? error.parts : undefined,
    };
  }
  const status = statusOf(error);
  const code = CODE_OF_STATUS[status] ?? 'internal';
  const { hint, retryable } = new RahatError(code, '');
  const detail = status < 500 && error instanceof Error ? error.message : ERROR_CATALOGUE[code].title;
  return { ...head(code, requestId), status, detail, hint, retryable };
}

function head(code: ErrorCode, requestId: string): Pick<Problem, 'type' | 'title' | 'status' | 'instance' | 'code'> {
  const { status, title } = ERROR_CATALOGUE[code];
  return { type: `/api/errors/${code}`, title, status, instance: requestId, code };
}

/** Nest's exceptions, and those of the body parser, which are meant for the caller when they say `expose`. */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  return typeof status === 'number' && expose === true ? status : 500;
}

function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}
