import { RahatError, type ErrorCode, ERROR_CATALOGUE } from '@rahat/contracts';
import { createClient, createConfig, type Client } from '@rahat/api-client';
import { askingAgain } from './asking-again.js';
import { findLogin, type Login } from './settings.js';

export interface Api {
  client: Client;
  login: Login;
}

/** A client for the platform that this user is logged in to. */
export async function openApi(options: { anonymous?: boolean; url?: string } = {}): Promise<Api> {
  const login = await findLogin();
  const url = options.url ?? login.url;
  if (!login.token && !options.anonymous) {
    throw new RahatError('unauthenticated', `You are not logged in at ${url}.`, {
      hint: 'Run `rahat-backup login`, or set RAHAT_TOKEN to an API key.',
    });
  }
  const headers = options.anonymous ? {} : { authorization: `Bearer ${login.token}` };
  return { client: clientAt(url, headers), login: { ...login, url } };
}

/** Every command's way to the platform. */
export function clientAt(url: string, headers: { authorization?: string }): Client {
  return createClient(createConfig({ baseUrl: url, headers, fetch: askingAgain(fetch) }));
}

interface Reply<T> {
  data?: T;
  error?: unknown;
  request?: Request;
  response?: Response;
}

/** The answer's data; a problem+json answer or a failed connection becomes a RahatError. */
export async function answer<T>(reply: Promise<Reply<T>>): Promise<T> {
  const { data, error, response, request } = await reply;
  if (response?.ok) return data as T;
  if (!response) {
    const origin = request ? new URL(request.url).origin : 'the platform';
    throw new RahatError('unavailable', `Rahat Backup does not answer at ${origin}.`, {
      hint: 'Start it with `npm start`, or set RAHAT_URL to where it runs.',
      cause: error,
    });
  }
  throw problemError(error, response);
}

function problemError(body: unknown, response: Response): RahatError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as {
    code?: string;
    detail?: string;
    hint?: string;
    retryable?: boolean;
    errors?: { pointer: string; message: string }[];
  };
  const code = problem.code !== undefined && problem.code in ERROR_CATALOGUE ? (problem.code as ErrorCode) : codeOfStatus(response.status);
  const fields = (problem.errors ?? []).map(({ pointer, message }) => `${pointer}: ${message}`).join('; ');
  const message = problem.detail ?? `The platform answered with status ${response.status}.`;
  return new RahatError(code, fields ? `${message} ${fields}` : message, { hint: problem.hint, retryable: problem.retryable });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  return 'unavailable';
}
