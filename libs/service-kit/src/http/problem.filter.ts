import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { newId } from '@rahat/contracts';
import type { Response } from 'express';
import { problemOf } from './problem.js';
import type { IdentifiedRequest } from './request-id.js';

/** Answers every error with `application/problem+json`. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<IdentifiedRequest>();
    const response = http.getResponse<Response>();
    const problem = problemOf(error, request.id ?? newId('request'));
    if (problem.status >= 500) this.logger.error({ err: error, code: problem.code }, 'request failed');
    if (response.headersSent) {
      // A stream that breaks in the middle must not look complete.
      response.destroy();
      return;
    }
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    response.status(problem.status).setHeader('Cache-Control', 'no-store');
    response.type('application/problem+json').send(JSON.stringify(problem));
  }
}
