import { ERROR_CATALOGUE, Problem, RahatError, type ErrorCode } from '@rahat/contracts';
import type { z } from 'zod';
import type { StatelessRuntime } from './runtime.js';
import { PRINCIPAL_HEADER } from './principal/principal-token.js';

const DEFAULT_TIMEOUT_MS = 10_000;

/** Asks another service over HTTP, as this service. */
export class InternalClient {
  /** `config` holds the base URLs as `RAHAT_<SERVICE>_URL`; it is read at each call, so standalone can fill it in once it listens. */
  constructor(
    private readonly runtime: Pick<StatelessRuntime, 'service' | 'principals'>,
    private readonly config: object,
    private readonly timeoutMs = DEFAULT_TIMEOUT_MS,
  ) {}

  /** Gives the answer that `schema` accepts; rejects with the other side's error, or `unavailable`. */
  async post<S extends z.ZodType>(service: string, path: string, body: unknown, schema: S, organization: string): Promise<z.infer<S>> {
    const { status, text } = await this.send(service, path, body, organization);
    const answer = parseJson(text);
    if (status >= 400) throw errorOf(service, status, answer);
    const result = schema.safeParse(answer);
    if (!result.success)
      throw new RahatError(
        'internal',
        `The answer of ${service} to ${path} is not as agreed: ${result.error.issues.map((issue) => issue.path.join('.')).join(', ')}`,
      );
    return result.data;
  }

  private async send(service: string, path: string, body: unknown, organization: string): Promise<{ status: number; text: string }> {
    const url = new URL(path, this.baseUrlOf(service));
    const headers = {
      'content-type': 'application/json',
      [PRINCIPAL_HEADER]: await this.runtime.principals.signForService(this.runtime.service, organization),
    };
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      if ((cause as Error).name === 'TimeoutError')
        throw new RahatError('deadline_exceeded', `${service} did not answer ${path} in ${this.timeoutMs} ms`, { cause });
      throw new RahatError('unavailable', `The service ${service} is not reachable`, { cause });
    }
  }

  private baseUrlOf(service: string): string {
    const name = `RAHAT_${service.replaceAll('-', '_').toUpperCase()}_URL`;
    const url = (this.config as Record<string, unknown>)[name];
    if (typeof url !== 'string')
      throw new RahatError('configuration_invalid', `${name} is not set`, {
        hint: `Set ${name} to the base URL of the service ${service}.`,
      });
    return url;
  }
}

function errorOf(service: string, status: number, answer: unknown): RahatError {
  const problem = Problem.safeParse(answer);
  if (!problem.success || !Object.hasOwn(ERROR_CATALOGUE, problem.data.code))
    return new RahatError(status >= 500 ? 'unavailable' : 'internal', `${service} answered with HTTP ${status}`);
  const { code, detail, hint, retryable } = problem.data;
  return new RahatError(code as ErrorCode, detail, { hint, retryable });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
