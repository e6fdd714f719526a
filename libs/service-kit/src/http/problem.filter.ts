import { type ArgumentsHost, Catch, type ExceptionFilter, Logger, NotFoundException } from '@nestjs/common';
import { newId, RahatError } from '@rahat/contracts';
import type { Request, Response } from 'express';
import { problemOf } from './problem.js';
import type { IdentifiedRequest } from './request-id.js';

/** Of what is only away for a moment. */
const RETRY_AFTER_SECONDS = 5;

/** Answers every error with `application/problem+json`. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  /** `allowedMethods` of a path, to tell a wrong method from a wrong path. */
  constructor(private readonly allowedMethods: (path: string) => string[] = () => []) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<IdentifiedRequest>();
    const response = http.getResponse<Response>();
    const error = this.wrongMethod(thrown, request, response) ?? thrown;
    const problem = problemOf(error, request.id ?? newId('request'));
    // Who is overloaded says so once and counts, and doesn't write a stack for each whom it sends away.
    if (problem.status >= 500 && problem.code !== 'overloaded') this.logger.error({ err: error, code: problem.code }, 'request failed');
    if (response.headersSent) {
      // A stream that breaks in the middle must not look complete.
      response.destroy();
      return;
    }
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (problem.status === 503 && !response.hasHeader('Retry-After')) response.setHeader('Retry-After', String(RETRY_AFTER_SECONDS));
    response.status(problem.status).setHeader('Cache-Control', 'no-store');
    response.type('application/problem+json').send(JSON.stringify(problem));
  }

  private wrongMethod(thrown: unknown, request: Request, response: Response): RahatError | undefined {
    // Only the router throws it; handlers throw a RahatError.
    if (!(thrown instanceof NotFoundException)) return undefined;
    const allowed = this.allowedMethods(request.path);
    if (allowed.length === 0 || allowed.includes(request.method)) return undefined;
    response.setHeader('Allow', allowed.join(', '));
    return new RahatError('method_not_allowed', `${request.path} has no ${request.method}, but ${allowed.join(', ')}.`);
  }
}
