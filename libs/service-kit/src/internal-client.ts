import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CATALOGUE, Problem, RahatError, type ErrorCode, type Principal } from '@rahat/contracts';
import type { z } from 'zod';
import { askOverKept } from './kept-connections.js';
import { PRINCIPAL_HEADER } from './principal/principal-token.js';
import type { StatelessRuntime } from './runtime.js';
import { addressesOf, wasRefused } from './service-addresses.js';

const DEFAULT_TIMEOUT_MS = 10_000;
const KNOCK_AGAIN_MS = 100;

/** For whom a service asks: an organization, or what lies within server groups of it. */
export type AskedFor = string | Pick<Principal, 'organization' | 'serverGroups'>;

export interface InternalClientOptions {
  timeoutMs?: number;
  /** How long to wait for a service that is just being restarted; default not at all. */
  patienceMs?: number;
}

/** Asks another service over HTTP, as this service. */
export class InternalClient {
  /** `config` holds the base URLs as `RAHAT_<SERVICE>_URL`; it is read at each call, so standalone can fill it in once it listens. */
  constructor(
    private readonly runtime: Pick<StatelessRuntime, 'service' | 'principals'>,
    private readonly config: object,
    private readonly options: InternalClientOptions = {},
  ) {}

  /** Gives the answer that `schema` accepts; rejects with the other side's error, or `unavailable`. */
  async post<S extends z.ZodType>(service: string, path: string, body: unknown, schema: S, organization: string): Promise<z.infer<S>> {
    return this.request('POST', service, path, body, schema, organization);
  }

  async get<S extends z.ZodType>(service: string, path: string, schema: S, tenant: AskedFor): Promise<z.infer<S>> {
    return this.request('GET', service, path, undefined, schema, tenant);
  }

  /** An answer without an end, as it comes; it ends with `signal`, and by itself when the other side goes away. */
  async stream(
    service: string,
    path: string,
    tenant: AskedFor,
    { headers = {}, signal }: { headers?: Record<string, string>; signal: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>> {
    const principal = await this.runtime.principals.signForService(this.runtime.service, tenant);
    return this.atReplica(service, path, 0, async (url) => {
      const response = await fetch(url, { headers: { ...headers, [PRINCIPAL_HEADER]: principal }, redirect: 'error', signal });
      if (response.ok && response.body) return response.body;
      throw errorOf(service, response.status, parseJson(await response.text()));
    });
  }

  private async request<S extends z.ZodType>(
    method: 'GET' | 'POST',
    service: string,
    path: string,
    body: unknown,
    schema: S,
    tenant: AskedFor,
  ): Promise<z.infer<S>> {
    const request = { method, body: body === undefined ? undefined : JSON.stringify(body) };
    const { status, text } = await this.atReplica(service, path, this.options.patienceMs ?? 0, (url) =>
      this.sendTo(service, url, request, tenant),
    );
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

  /** A replica that nobody listens at is passed over. */
  private async atReplica<T>(service: string, path: string, patienceMs: number, ask: (url: URL) => Promise<T>): Promise<T> {
    for (const until = Date.now() + patienceMs; ; await sleep(KNOCK_AGAIN_MS)) {
      for (const address of addressesOf(this.config, service)) {
        try {
          return await ask(new URL(path, address));
        } catch (error) {
          if (!wasRefused(error)) throw error;
        }
      }
      if (Date.now() >= until) throw new RahatError('unavailable', `The service ${service} is not reachable`);
    }
  }

  private async sendTo(
    service: string,
    url: URL,
    request: { method: 'GET' | 'POST'; body?: string },
    tenant: AskedFor,
  ): Promise<{ status: number; text: string }> {
    const timeoutMs = this.options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const headers = {
      'content-type': 'application/json',
      [PRINCIPAL_HEADER]: await this.runtime.principals.signForService(this.runtime.service, tenant),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await askOverKept(url, { ...request, headers, signal });
    } catch (cause) {
      if (signal.aborted)
        throw new RahatError('deadline_exceeded', `${service} did not answer ${url.pathname} in ${timeoutMs} ms`, { cause });
      throw new RahatError('unavailable', `The service ${service} is not reachable`, { cause });
    }
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
