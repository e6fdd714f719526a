import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient, createConfig, sessionsCreate, setupCreate, type Client } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { data } from './steps.js';

/** `npm start` and `npm run cluster`. */
export type Form = 'standalone' | 'cluster';

const entryOf = (form: Form) => fileURLToPath(new URL(`../../services/${form}/dist/main.js`, import.meta.url));
const START_LIMIT_MS = 120_000;

export interface PlatformOptions {
  /** Default: everything in one process. */
  form?: Form;
  dataFolder: string;
  email: string;
  password: string;
  environment?: NodeJS.ProcessEnv;
}

export interface Platform extends AsyncDisposable {
  url: string;
  pid: number;
  /** Logged in as the owner. */
  client: Client;
  /** The set-up token, where this start had one: it is used up. */
  lines: string[];
  /** As Ctrl+C does: drains, PostgreSQL last. */
  stop(): Promise<void>;
  /** Resolves when the process is gone, however it ended. */
  ended: Promise<unknown>;
}

/** The product as its user starts it, on a data folder of its own; becomes its owner, or logs in when there is one. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const child = spawn(process.execPath, [entryOf(options.form ?? 'standalone')], {
    env: { ...process.env, ...options.environment, RAHAT_DATA_DIR: options.dataFolder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
    await ended;
  };
  try {
    const { url, token, lines } = await readBanner(child);
    const anonymous = clientOf(url);
    const { email, password } = options;
    const session =
      token === undefined
        ? await data(sessionsCreate({ client: anonymous, body: { email, password } }))
        : await data(setupCreate({ client: anonymous, body: { token, name: 'Owner', organization: 'Demo', email, password } }));
    if (!('accessToken' in session)) throw new Error('the owner has a second factor, and nobody is here to show it');
    const client = clientOf(url, session.accessToken);
    return { url, pid: child.pid!, client, lines, stop, ended, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As whom the token of a session or a key lets in; without one, as a stranger. */
export function clientOf(url: string, token?: string): Client {
  return createClient(createConfig({ baseUrl: url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }));
}

/** Where the gateways of a cluster answer, as it told; everything in one process has one. */
export function gatewaysOf({ url, lines }: Platform): string[] {
  const told = lines.flatMap((line) => /gateway-\d\s+(http:\S+)/.exec(line)?.[1] ?? []);
  return told.length > 0 ? told : [url];
}

/** The address stands in the set-up line at first, in a line of its own later. */
async function readBanner(child: ChildProcess): Promise<{ url: string; token?: string; lines: string[] }> {
  const lines: string[] = [];
  const found = Promise.withResolvers<{ url: string; token?: string }>();
  const timer = setTimeout(() => child.kill('SIGINT'), START_LIMIT_MS);
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line);
    const match = /(https?:\/\/[\w.:[\]-]+)\/?(?:setup\?token=(\S+))?/.exec(line);
    if (match && /Open/.test(line)) found.resolve({ url: match[1]!, token: match[2] });
  });
  child.once('exit', () => found.reject(new RahatError('unavailable', `The platform did not start:\n${lines.join('\n')}`)));
  try {
    return { ...(await found.promise), lines };
  } finally {
    clearTimeout(timer);
  }
}
