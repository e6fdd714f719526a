import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError, type BackupSpec } from '@rahat/contracts';
import { processStart, runProcess } from '@rahat/execution';
import { AttemptProcess, type AttemptProcessOptions } from './attempt-process.js';
import type { LogLine } from './child-messages.js';

const spec: BackupSpec = {
  version: 1,
  type: 'backup',
  run: 'run_1',
  attempt: 1,
  organization: 'org_1',
  engine: 'postgresql',
  server: { id: 'server_1', name: 'one' },
  deadline: new Date(Date.now() + 3_600_000).toISOString(),
  noProgressSeconds: 900,
  sealedSecrets: '',
  method: 'postgresql.logical',
  snapshot: 's1',
  repository: 'repository_1',
  deep: false,
};

let folder: string;
let lines: LogLine[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-attempt-'));
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A child of its own program, which has `spec` and `say(text)` and starts when the order came. */
async function attempt(body: string, options: Partial<AttemptProcessOptions> = {}): Promise<AttemptProcess> {
  const program = join(folder, 'child.mjs');
  await writeFile(
    program,
    `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs'; import { once } from 'node:events';
     const say = (text) => process.send({ type: 'log', lines: [{ at: '', level: 'info', message: text }] });
     const end = (result) => process.send({ type: 'result', result }, () => process.exit(0));
     process.once('message', async ({ spec, secrets }) => { ${body} });
     process.send({ type: 'ready' });`,
  );
  return new AttemptProcess({
    spec,
    secrets: { repositories: [] },
    scratchFolder: folder,
    toolFolders: [],
    workerName: 'worker-1',
    heapMb: 64,
    onProgress: () => undefined,
    onLog: (more) => lines.push(...more),
    program,
    ...options,
  });
}

const cancelled = new RahatError('cancelled', 'The run was cancelled');
const said = async (text: string) => {
  while (!lines.some((line) => line.message.startsWith(text))) await sleep(20);
};

describe('attempt process', () => {
  it('gives what the child reported, also when that is large', async () => {
    const child = await attempt(
      `end({ outcome: 'error', error: { code: 'dump_invalid', message: 'x'.repeat(2_000_000), retryable: false } })`,
    );
    const result = await child.result;
    expect(result).toMatchObject({ outcome: 'error', error: { code: 'dump_invalid' } });
    if (result.outcome === 'error') expect(result.error.message).toHaveLength(2_000_000);
  });

  it('calls an attempt lost whose child is killed, with all that the child had started', async () => {
    const child = await attempt(
      `const tool = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }); await once(tool, 'spawn'); say('tool ' + tool.pid);`,
    );
    await said('tool');
    process.kill(child.pid!, 'SIGKILL');
    expect(await child.result).toMatchObject({
      outcome: 'error',
      error: { code: 'worker_lost', retryable: true, message: expect.stringContaining('SIGKILL') },
    });
    expect(await processStart(Number(lines[0]!.message.split(' ')[1]))).toBe('');
  });

  it('calls it lost when the child ends without a word, and names a memory cap that was hit', async () => {
    expect(await (await attempt('process.exit(0)')).result).toMatchObject({
      outcome: 'error',
      error: { code: 'worker_lost', message: expect.stringContaining('code 0') },
    });
    const hungry = await attempt(`const kept = []; for (;;) kept.push(new Array(100_000).fill(kept.length));`, { heapMb: 32 });
    expect(await hungry.result).toMatchObject({
      outcome: 'error',
      error: { code: 'worker_lost', message: expect.stringContaining('32 MB') },
    });
  });

  it('cancels within two seconds, giving the child time to tidy up', async () => {
    const marker = join(folder, 'tidied');
    const child = await attempt(
      `process.on('SIGTERM', () => { writeFileSync(${JSON.stringify(marker)}, ''); process.exit(1); }); say('working'); setInterval(() => undefined, 1000);`,
    );
    await said('working');
    const started = Date.now();
    child.stop(cancelled);
    expect(await child.result).toEqual({ outcome: 'cancelled' });
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(existsSync(marker)).toBe(true);
  });

  it('kills a child that does not listen', async () => {
    const child = await attempt(`process.on('SIGTERM', () => undefined); say('deaf'); for (;;);`, { graceMs: 300 });
    await said('deaf');
    child.stop(cancelled);
    expect(await child.result).toEqual({ outcome: 'cancelled' });
  });

  it('ends an attempt at its deadline, and one in which nothing moves', async () => {
    const late = await attempt(`setInterval(() => undefined, 1000)`, {
      spec: { ...spec, deadline: new Date(Date.now() + 700).toISOString() },
    });
    expect(await late.result).toMatchObject({
      outcome: 'error',
      error: { code: 'deadline_exceeded', message: expect.stringContaining('deadline') },
    });
    const stuck = await attempt(`setInterval(() => process.send({ type: 'progress', progress: { phase: 'dumping', bytes: 5 } }), 100)`, {
      spec: { ...spec, noProgressSeconds: 1 },
    });
    expect(await stuck.result).toMatchObject({
      outcome: 'error',
      error: { code: 'deadline_exceeded', message: expect.stringContaining('Nothing moved') },
    });
  });

  it('lets a paused attempt stand still, but keeps its source waiting no longer than allowed', async () => {
    const talking = `process.on('message', ({ type }) => say(type)); setInterval(() => process.send({ type: 'progress', progress: { phase: 'dumping', bytes: 5 } }), 100)`;
    const patient = await attempt(talking, { spec: { ...spec, noProgressSeconds: 1 } });
    patient.pause();
    await said('pause');
    await sleep(2_000);
    patient.resume();
    await said('resume');
    expect(await patient.result).toMatchObject({
      outcome: 'error',
      error: { code: 'deadline_exceeded', message: expect.stringContaining('Nothing moved') },
    });

    const held = await attempt(talking, { longestPauseMs: 600 });
    held.pause();
    expect(await held.result).toMatchObject({ outcome: 'error', error: { code: 'pause_expired', retryable: true } });
  });

  it('gives the child nothing of its own environment and no secret on the command line', async () => {
    process.env.RAHAT_PLANTED_SECRET = 'planted-secret';
    const secrets = {
      source: { host: 'h', port: 1, user: 'u', maintenanceDatabase: 'm', tls: 'prefer' as const, password: 'planted-password' },
      repositories: [],
    };
    const child = await attempt(`say('got ' + secrets.source.password.length); setInterval(() => undefined, 1000)`, { secrets });
    await said('got 16');
    const environment = await readFile(`/proc/${child.pid}/environ`, 'utf8');
    const names = environment
      .split('\0')
      .filter(Boolean)
      .map((entry) => entry.split('=')[0]);
    const own = ['PATH', 'HOME', 'TZ', 'LANG', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', ...Object.keys(runProcess(1).env)];
    expect(names.filter((name) => !own.includes(name!))).toEqual([]);
    expect(environment + (await readFile(`/proc/${child.pid}/cmdline`, 'utf8'))).not.toContain('planted');
    child.stop(cancelled);
    await child.result;
    delete process.env.RAHAT_PLANTED_SECRET;
  });
});
