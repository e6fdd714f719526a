import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DynamicModule, Type } from '@nestjs/common';
import { newId, type Principal } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import { createApplication, type ApplicationOptions } from '../application.js';
import { createLogger } from '../operations/logging.js';
import { openPrincipalKeys } from '../principal/principal-keys.js';
import { PRINCIPAL_HEADER } from '../principal/principal-token.js';
import type { StatelessRuntime } from '../runtime.js';

export interface TestAnswer {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

export interface TestApplication {
  readonly url: string;
  /** `as` is minted as the gateway would; without it the request carries no principal. */
  call(method: string, path: string, request?: { body?: unknown; as?: Principal; headers?: Record<string, string> }): Promise<TestAnswer>;
  /** The principal of another service. */
  service(name: string, organization: string): Principal;
  principalToken(principal: Principal): Promise<string>;
  get<T>(provider: Type<T> | symbol): T;
  /** Everything that was logged. */
  log(): string;
  close(): Promise<void>;
}

/** A service's module as it runs in production, on a free port, with keys of its own. */
export async function startTestApplication(
  rootModule: (runtime: StatelessRuntime) => DynamicModule,
  messaging: Messaging = SILENT,
  options: Pick<ApplicationOptions, 'bodies' | 'openApi'> = {},
): Promise<TestApplication> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rahat-keys-'));
  const principalKeys = await openPrincipalKeys(folder);
  await rm(folder, { recursive: true });
  let log = '';
  const logger = createLogger('test', { level: 'trace', destination: { write: (line: string) => void (log += line) } });
  const application = await createApplication(rootModule({ service: 'test', messaging, principals: principalKeys.signer }), {
    name: 'test',
    version: '0',
    principalKeys,
    logger,
    ...options,
  });
  const { url } = await application.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    async call(method, target, { body, as, headers } = {}) {
      const response = await fetch(url + target, {
        method,
        headers: {
          ...(as ? { [PRINCIPAL_HEADER]: await principalKeys.signer.sign(as) } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      return { status: response.status, headers: response.headers, body: parsed(await response.text()) };
    },
    service: (name, organization) => ({
      kind: 'service',
      subject: name,
      name,
      organization,
      role: 'owner',
      scopes: ['*'],
      serverGroups: null,
      address: 'internal',
      requestId: newId('request'),
    }),
    principalToken: (principal) => principalKeys.signer.sign(principal),
    get: (provider) => application.nest.get(provider, { strict: false }),
    log: () => log,
    close: () => application.close(),
  };
}

const NOTHING_TO_CLOSE = { close: async () => undefined };

/** For tests that receive nothing; what they send goes into an outbox of their own. */
const SILENT = { consumeCommands: () => NOTHING_TO_CLOSE, consumeEvents: () => NOTHING_TO_CLOSE } as unknown as Messaging;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
