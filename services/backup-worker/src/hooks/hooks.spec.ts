import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HookInput, RahatError, type AttemptResult, type BackupSpec } from '@rahat/contracts';
import { OutgoingClient } from '@rahat/service-kit';
import { Hooks } from './hooks.js';

const spec: BackupSpec = {
  version: 1,
  type: 'backup',
  run: 'run_1',
  attempt: 2,
  organization: 'org_1',
  engine: 'postgresql',
  server: { id: 'server_1', name: 'shop; rm -rf /' },
  deadline: new Date(Date.now() + 3_600_000).toISOString(),
  noProgressSeconds: 900,
  sealedSecrets: '',
  method: 'postgresql.logical',
  database: { name: 'shop' },
  snapshot: 's1',
  repository: 'repository_1',
  deep: false,
};
const ERROR: AttemptResult = { outcome: 'error', error: { code: 'tool_failed', message: 'pg_dump ended', retryable: true } };
const EVIDENCE = { outcome: 'evidence', evidence: {} } as AttemptResult;
const PASSWORD = 'planted-password';

let server: Server;
let url: string;
let status = 200;
const heard: { authorization?: string; body: string }[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      heard.push({ authorization: request.headers.authorization, body });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterAll(() => {
  server.close();
});

let folder: string;
let log: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-hooks-'));
  await mkdir(join(folder, 'hooks'));
  await mkdir(join(folder, 'scratch'));
  log = [];
  heard.length = 0;
  status = 200;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function script(name: string, body: string, mode = 0o755): Promise<void> {
  await writeFile(join(folder, 'hooks', name), `#!/bin/sh\n${body}\n`);
  await chmod(join(folder, 'hooks', name), mode);
}
const hook = (change: object) => HookInput.parse({ name: 'hook', when: 'before', kind: 'script', script: 'run.sh', ...change });
const http = (change: object = {}) => HookInput.parse({ name: 'call', when: 'before', kind: 'http', url, ...change });
const hooksOf = (hooks: HookInput[], change: Partial<ConstructorParameters<typeof Hooks>[2]> = {}) =>
  new Hooks(
    spec,
    { source: { host: 'h', port: 1, user: 'u', maintenanceDatabase: 'm', tls: 'prefer', password: PASSWORD }, repositories: [], hooks },
    {
      client: new OutgoingClient(['127.0.0.1']),
      scripts: { folder: join(folder, 'hooks'), scratchFolder: join(folder, 'scratch') },
      onLog: (lines) => log.push(...lines.map(({ message }) => message)),
      ...change,
    },
  );
const signal = () => new AbortController().signal;

describe('a script hook', () => {
  it('runs without a shell and with nothing but its facts, and what it prints is in the log, masked', async () => {
    process.env['RAHAT_PLANTED'] = 'secret of the worker';
    await script(
      'run.sh',
      `printf '%s\\n' "$1" "$RAHAT_EVENT $RAHAT_SERVER $RAHAT_DATABASE $RAHAT_ATTEMPT" "password ${PASSWORD}"; env > ${folder}/env; pwd > ${folder}/cwd`,
    );
    expect(await hooksOf([hook({ args: ['$(id); `id`'] })]).before(signal())).toBeUndefined();
    expect(log).toEqual(
      expect.arrayContaining(['hook: $(id); `id`', 'hook: before shop; rm -rf / shop 2', 'hook: password •••', "Hook 'hook' is done"]),
    );
    expect(await readFile(join(folder, 'env'), 'utf8')).not.toContain('secret of the worker');
    expect((await readFile(join(folder, 'cwd'), 'utf8')).trim()).toBe(join(folder, 'scratch'));
    delete process.env['RAHAT_PLANTED'];
  });

  it('that fails keeps the backup from being made, or is ignored, as its plan says', async () => {
    await script('run.sh', 'echo not now; exit 3');
    expect(await hooksOf([hook({})]).before(signal())).toMatchObject({
      code: 'hook_failed',
      message: "The hook 'hook' failed: it ended with code 3\nnot now",
    });
    expect(await hooksOf([hook({ onFailure: 'ignore' })]).before(signal())).toBeUndefined();
    expect(log.at(-1)).toContain("Hook 'hook' failed");
  });

  it('is ended at its time-out, with all that it started', async () => {
    await script('run.sh', `sleep 600 & echo $! > ${folder}/pid; wait`);
    expect(await hooksOf([hook({ timeoutSeconds: 1 })]).before(signal())).toMatchObject({ message: expect.stringContaining('within 1 s') });
    const pid = (await readFile(join(folder, 'pid'), 'utf8')).trim();
    expect(
      await readFile(`/proc/${pid}/stat`, 'utf8').then(
        (stat) => / Z /.test(stat),
        () => true,
      ),
    ).toBe(true);
  });

  it('gives way to a cancel', async () => {
    await script('run.sh', 'sleep 600');
    const stop = new AbortController();
    setTimeout(() => stop.abort(new RahatError('cancelled', 'The run was cancelled')), 200);
    expect(await hooksOf([hook({})]).before(stop.signal)).toMatchObject({ code: 'cancelled' });
  });

  it('must be a plain file of the allowed folder', async () => {
    await writeFile(join(folder, 'outside.sh'), '#!/bin/sh\n');
    await chmod(join(folder, 'outside.sh'), 0o755);
    await symlink(join(folder, 'outside.sh'), join(folder, 'hooks', 'link.sh'));
    await mkdir(join(folder, 'hooks', 'folder'));
    await script('writable.sh', '', 0o757);
    await script('plain.txt', '', 0o644);
    for (const [name, reason] of [
      ['missing.sh', 'not in the hooks folder'],
      ['link.sh', 'no plain file'],
      ['folder', 'no plain file'],
      ['writable.sh', 'everybody may write it'],
    ] as const) {
      const error = await hooksOf([hook({ script: name })]).before(signal());
      expect([name, error?.message]).toEqual([name, expect.stringContaining(reason)]);
      expect(error?.retryable).toBe(false);
    }
    expect((await hooksOf([hook({ script: 'plain.txt' })]).before(signal()))?.code).toBe('hook_failed');
    expect(await hooksOf([hook({})], { scripts: undefined }).before(signal())).toMatchObject({
      message: expect.stringContaining('allows no scripts'),
    });
    for (const script of ['../outside.sh', '/bin/sh', '.hidden', 'a/b', '', '-rf'])
      expect(HookInput.safeParse({ name: 'x', when: 'before', kind: 'script', script }).success).toBe(false);
  });

  it('that floods its output fills neither memory nor log', async () => {
    await script('run.sh', 'yes "a line that is longer than nothing" | head -c 5000000');
    expect(await hooksOf([hook({})]).before(signal())).toBeUndefined();
    expect(log.length).toBeLessThan(300);
    expect(log.some((line) => line.includes('left out'))).toBe(true);
  });
});

describe('an HTTP hook', () => {
  it('tells what it is about, with its authorization, which no log shows', async () => {
    expect(await hooksOf([http({ authorization: 'Bearer planted-token' })]).before(signal())).toBeUndefined();
    expect(heard[0]!.authorization).toBe('Bearer planted-token');
    expect(JSON.parse(heard[0]!.body)).toEqual({
      event: 'before',
      run: 'run_1',
      attempt: 2,
      server: 'shop; rm -rf /',
      database: 'shop',
      outcome: null,
      error: null,
    });
    expect(log.join('\n')).not.toContain('planted-token');
  });

  it('fails by any answer but success, and is tried again where that may help', async () => {
    for (const [answer, retryable] of [
      [500, true],
      [404, false],
      [302, false],
    ] as const) {
      status = answer;
      expect(await hooksOf([http()]).before(signal())).toMatchObject({
        code: 'hook_failed',
        retryable,
        message: expect.stringContaining(String(answer)),
      });
    }
  });

  it('reaches no private address that the operator did not allow', async () => {
    expect(await hooksOf([http()], { client: new OutgoingClient() }).before(signal())).toMatchObject({
      code: 'hook_failed',
      message: expect.stringContaining('no public host'),
    });
    expect(heard).toEqual([]);
  });
});

describe('hooks after a backup', () => {
  it('hear of success or failure, and change nothing when they fail', async () => {
    const hooks = [http({ name: 'good', when: 'after_success' }), http({ name: 'bad', when: 'after_failure' }), http({ name: 'early' })];
    await hooksOf(hooks).after(EVIDENCE, signal());
    expect(heard.map(({ body }) => JSON.parse(body))).toMatchObject([{ event: 'after_success', outcome: 'evidence' }]);
    status = 500;
    await hooksOf(hooks).after(ERROR, signal());
    expect(JSON.parse(heard.at(-1)!.body)).toMatchObject({ event: 'after_failure', outcome: 'error', error: 'pg_dump ended' });
    expect(log.at(-1)).toContain("Hook 'bad' failed");
    await hooksOf(hooks).after({ outcome: 'cancelled' }, signal());
    expect(heard).toHaveLength(2);
  });
});
