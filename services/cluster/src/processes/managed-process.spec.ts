import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '@rahat/test-servers';
import { ManagedProcess } from './managed-process.js';

/** Ready as soon as it listens; what else it does a test says. */
const PROGRAM = `
import { createServer } from 'node:http';
import { existsSync } from 'node:fs';
if (existsSync(process.env.BROKEN)) {
  console.log(JSON.stringify({ level: 'fatal', msg: 'The configuration has 1 mistake', hint: 'Mend it' }));
  process.exit(1);
}
process.on('SIGTERM', () => process.env.STUBBORN ?? process.exit(0));
process.on('disconnect', () => process.exit(0));
createServer((_request, response) => response.end()).listen(Number(process.env.PORT), '127.0.0.1');
console.log('started ' + process.pid);
`;

describe('a process of the cluster', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rahat-process-'));
  const entry = path.join(folder, 'program.mjs');
  const logFile = path.join(folder, 'program.log');
  const broken = path.join(folder, 'broken');
  writeFileSync(entry, PROGRAM);
  const made: ManagedProcess[] = [];
  const deaths: string[] = [];

  async function manage(environment: NodeJS.ProcessEnv = {}, drainLimitMs = 30_000): Promise<ManagedProcess> {
    const port = await freePort();
    const process = new ManagedProcess(
      {
        name: 'thing-1',
        service: 'thing',
        entry,
        flags: [],
        environment: { PORT: String(port), BROKEN: broken, ...environment },
        metricsUrl: `http://127.0.0.1:${port}`,
        drainLimitMs,
      },
      logFile,
      { died: (name, words) => void deaths.push(`${name} ${words}`), changed: () => undefined },
    );
    made.push(process);
    return process;
  }

  async function untilOther(managed: ManagedProcess, than: number | null): Promise<number> {
    while (managed.pid === null || managed.pid === than) await sleep(20);
    return managed.pid;
  }

  afterEach(async () => {
    rmSync(broken, { force: true });
    deaths.length = 0;
    for (const process of made.splice(0)) await process.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is told of and started again when it dies, after pauses that grow until it becomes ready', async () => {
    const managed = await manage();
    await managed.start();
    writeFileSync(broken, '');
    process.kill(managed.pid!, 'SIGKILL');
    while (deaths.length < 3) await sleep(20);
    expect(deaths).toEqual([
      'thing-1 was ended by SIGKILL; it is started again in 0.25 s',
      'thing-1 ended with code 1; it is started again in 0.5 s',
      'thing-1 ended with code 1; it is started again in 1 s',
    ]);
    rmSync(broken);
    await untilOther(managed, null);
  });

  it('is restarted on request without a word about death', async () => {
    const managed = await manage();
    await managed.start();
    const first = managed.pid;
    await managed.restart();
    expect(await untilOther(managed, first)).not.toBe(first);
    expect(deaths).toEqual([]);
  });

  it('that cannot start says why', async () => {
    writeFileSync(broken, '');
    const managed = await manage();
    await expect(managed.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: 'thing-1 does not start: The configuration has 1 mistake. Mend it',
    });
  });

  it('that does not end is killed, and stays stopped', async () => {
    const managed = await manage({ STUBBORN: 'yes' }, 300);
    await managed.start();
    await managed.stop();
    expect(managed.pid).toBeNull();
    expect(deaths).toEqual([]);
    expect(readFileSync(logFile, 'utf8')).toContain('started');
  });
});
