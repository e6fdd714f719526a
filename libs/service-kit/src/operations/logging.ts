import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Params } from 'nestjs-pino';
import { pino, type DestinationStream, type Logger } from 'pino';
import { openStandardOutput } from './log-output.js';
import { describeError, redactSecrets } from './log-redaction.js';

export interface LogOptions {
  level: 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
  /** Default: standard output. */
  destination?: DestinationStream;
}

/** JSON lines; secrets are redacted by name. */
export function createLogger(service: string, options: LogOptions): Logger {
  const settings = {
    level: options.level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }), log: (fields: object) => redactSecrets(fields) as Record<string, unknown> },
    serializers: { err: (error: unknown) => describeError(error), error: (error: unknown) => describeError(error) },
  };
  return pino(settings, options.destination ?? openStandardOutput());
}

/** One line per answered request, without headers and query, which may carry secrets. */
export function requestLogging(logger: Logger): Params {
  return {
    pinoHttp: {
      logger,
      genReqId: (request) => (request as IncomingMessage & { id: string }).id,
      quietReqLogger: true,
      customAttributeKeys: { reqId: 'requestId' },
      customLogLevel: (_request: IncomingMessage, response: ServerResponse, error?: Error) =>
        error || response.statusCode >= 500 ? 'error' : 'info',
      customSuccessMessage: () => 'request answered',
      customErrorMessage: () => 'request failed',
      // The library's own error says no more than the status; the real one is in the problem's line of the same request.
      customErrorObject: (_request, _response, _error, { err: _err, ...fields }: { err?: unknown }) => fields,
      wrapSerializers: false,
      serializers: {
        req: (request: IncomingMessage & { originalUrl?: string }) => ({
          method: request.method,
          path: (request.originalUrl ?? request.url)?.split('?')[0],
        }),
        res: (response: ServerResponse) => ({ status: response.statusCode }),
        err: (error: unknown) => describeError(error),
      },
    },
  };
}
