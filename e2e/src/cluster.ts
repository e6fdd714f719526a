import { connect } from 'node:net';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { apiKeysCreate, createClient, createConfig } from '@rahat/api-client';
import { data, gatewaysOf } from '@rahat/demo';
import { kill9 } from './processes.js';
import { until } from './until.js';
import type { World } from './world.js';

interface ClusterProcess {
  name: string;
  service: string;
  pid: number | null;
}

/** The processes as the supervisor knows them now. */
export async function processesOf(world: World): Promise<ClusterProcess[]> {
  return (JSON.parse(await readFile(path.join(world.folder, 'data/runtime.json'), 'utf8')) as { processes: ClusterProcess[] }).processes;
}

/** kill -9 of a process by its name; resolves when another one has its name. */
export async function killProcess(world: World, name: string): Promise<void> {
  const pid = await untilPid(world, name, () => true);
  kill9([pid]);
  await untilPid(world, name, (other) => other !== pid);
}

export function untilPid(world: World, name: string, reached: (pid: number) => boolean): Promise<number> {
  return until(`${name} to run`, async () => {
    const pid = (await processesOf(world)).find((process) => process.name === name)?.pid;
    return pid !== null && pid !== undefined && reached(pid) ? pid : undefined;
  });
}

/** The postmaster of the embedded PostgreSQL. */
export function untilPostmaster(world: World, reached: (pid: number) => boolean): Promise<number> {
  return until('PostgreSQL to run', async () => {
    const text = await readFile(path.join(world.folder, 'data/postgresql/18/postmaster.pid'), 'utf8').catch(() => '');
    const pid = Number(text.split('\n')[0]);
    return pid > 0 && text.includes('ready') && reached(pid) ? pid : undefined;
  });
}

/** A client as a patient user: asks the other gateway, or again, while there is no answer. */
export async function becomePatient(world: World): Promise<void> {
  const key = await data(apiKeysCreate({ client: world.platform.client, body: { name: 'patient', scopes: ['*'] } }));
  const gateways = gatewaysOf(world.platform);
  const patiently: typeof fetch = async (input) => {
    const request = input as Request;
    const { method, headers } = request;
    const body = request.body === null ? undefined : await request.arrayBuffer();
    const { pathname, search } = new URL(request.url);
    return until(`an answer to ${method} ${pathname}`, async () => {
      for (const gateway of gateways) {
        const response = await fetch(new URL(pathname + search, gateway), { method, headers, body }).catch(() => undefined);
        if (response && response.status < 500) return response;
      }
      return undefined;
    });
  };
  const client = createClient(
    createConfig({ baseUrl: world.platform.url, headers: { authorization: `Bearer ${key.secret}` }, fetch: patiently }),
  );
  world.platform = { ...world.platform, client };
}

/** One command to a Redis of a test, without a client that reconnects by itself. */
export async function tellRedis(url: string, command: string): Promise<void> {
  const { port, hostname, password } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(Number(port), hostname, () => socket.write(`AUTH ${decodeURIComponent(password)}\r\n${command}\r\n`));
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString();
    if (/^-/m.test(text)) reject(new Error(text));
    if (/\+OK\r\n\+OK\r\n/.test(text)) resolve();
  });
  socket.once('error', reject);
  await promise.finally(() => socket.destroy());
}
