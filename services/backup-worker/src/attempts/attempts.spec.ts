import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupSpec, CommandName, RunSecrets } from '@rahat/contracts';
import type { Messaging } from '@rahat/messaging';
import { grantCredential } from '@rahat/repository';
import { openPoolKey, type PoolKey, sealFor } from '@rahat/secrets';
import { workerConfig } from '../config.js';
import { Janitor } from '../janitor/janitor.js';
import { Attempts } from './attempts.js';

/** The queues' sending half; `down` makes it refuse. */
class RecordingMessaging {
  readonly sent: {
    name: CommandName;
    id?: string;
    payload: { attempt?: number; result?: { outcome: string; error?: { code: string } } };
  }[] = [];
  readonly claimed: string[] = [];
  down = false;
  granted = true;
  private readonly listeners = new Map<string, (payload: Record<string, unknown>) => void>();

  async send(_queue: string, name: CommandName, payload: object, options?: { id?: string }): Promise<void> {
    if (this.down) throw new Error('connection refused');
    this.sent.push({ name, payload, id: options?.id });
  }

  async ask(_respondent: string, _name: string, { run, attempt }: { run: string; attempt: number }): Promise<{ granted: boolean }> {
    if (this.down) throw new Error('connection refused');
    this.claimed.push(`${run}/${attempt}`);
    return { granted: this.granted };
  }

  async onSignal(topic: string, handler: (payload: Record<string, unknown>) => void) {
    this.listeners.set(topic, handler);
    return { close: async () => undefined };
  }

  work() {
    return { close: async () => undefined };
  }

  cancel(payload: { run: string; attempt?: number }): void {
    this.listeners.get('run.cancel')?.(payload);
  }

  of(name: CommandName) {
    return this.sent.filter((message) => message.name === name);
  }
}

let folder: string;
let poolKey: PoolKey;
let messaging: RecordingMessaging;
let attempts: Attempts;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-attempts-'));
  poolKey = await openPoolKey(join(folder, 'pool.key'));
  messaging = new RecordingMessaging();
  const config = workerConfig.parse({
    RAHAT_WORKER_POOL_KEY_PATH: join(folder, 'pool.key'),
    RAHAT_WORKER_NAME: 'worker-1',
    RAHAT_WORKER_CACHE: join(folder, 'cache'),
    RAHAT_WORKER_DRAIN_SECONDS: '0',
  });
  attempts = new Attempts(messaging as unknown as Messaging, poolKey, config, new Janitor(join(folder, 'scratch')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Fails at once, in a real child: its repository is not there. */
async function specOf(change: Partial<BackupSpec> = {}): Promise<BackupSpec> {
  const { run = 'run_1', attempt = 1 } = change;
  const secrets: RunSecrets = {
    repositories: [
      {
        repositoryId: 'repository_1',
        storage: { driver: 'local', path: join(folder, 'storage') },
        prefix: 'main',
        credential: grantCredential('write-only', '0'.repeat(32), { masterKey: Buffer.alloc(32), identitySecret: Buffer.alloc(32) }),
      },
    ],
  };
  return {
    version: 1,
    type: 'backup',
    run,
    attempt,
    organization: 'org_1',
    engine: 'postgresql',
    server: { id: 'server_1', name: 'one' },
    deadline: new Date(Date.now() + 3_600_000).toISOString(),
    noProgressSeconds: 900,
    method: 'postgresql.logical',
    snapshot: 's1',
    repository: 'repository_1',
    deep: false,
    sealedSecrets: await sealFor(poolKey.publicKey, JSON.stringify(secrets), `${run}/${attempt}`),
    ...change,
  };
}

describe('attempts', () => {
  it('runs an attempt once although it was delivered twice, and answers the same again later', async () => {
    const spec = await specOf();
    await Promise.all([attempts.execute(spec), attempts.execute(spec)]);
    await attempts.execute(spec);
    expect(messaging.claimed).toEqual(['run_1/1']);
    const finished = messaging.of('attempt.finished.v1');
    expect(finished.map((message) => message.id)).toEqual(['run_1-1-finished', 'run_1-1-finished']);
    expect(finished[0]?.payload.result).toMatchObject({ outcome: 'error', error: { code: 'repository_not_found' } });
    expect(finished[1]?.payload).toMatchObject({ result: finished[0]?.payload.result });
  });

  it('begins nothing that the ledger gave to another worker', async () => {
    messaging.granted = false;
    await attempts.execute(await specOf());
    expect([messaging.claimed, messaging.of('attempt.finished.v1')]).toEqual([['run_1/1'], []]);
  });

  it('asks the ledger until it answers', async () => {
    messaging.down = true;
    const done = attempts.execute(await specOf());
    await sleep(300);
    messaging.down = false;
    await done;
    expect([messaging.claimed, messaging.of('attempt.finished.v1').length]).toEqual([['run_1/1'], 1]);
  });

  it('keeps the result until the queue takes it', async () => {
    const done = attempts.execute(await specOf());
    while (messaging.claimed.length === 0) await sleep(10);
    messaging.down = true;
    await sleep(1_500);
    messaging.down = false;
    await done;
    expect(messaging.of('attempt.finished.v1')).toHaveLength(1);
  });

  it('reports an attempt whose secrets were sealed for another one, and one that came too late', async () => {
    await attempts.execute({ ...(await specOf()), attempt: 2 });
    await attempts.execute(await specOf({ run: 'run_2', deadline: new Date(Date.now() - 1000).toISOString() }));
    expect(messaging.of('attempt.finished.v1').map(({ payload }) => payload.result?.error?.code)).toEqual([
      'message_invalid',
      'deadline_exceeded',
    ]);
  });

  it('lets a newer attempt take over and ignores an older one', async () => {
    const first = attempts.execute(await specOf());
    const second = attempts.execute(await specOf({ attempt: 2 }));
    await attempts.execute(await specOf());
    await Promise.all([first, second]);
    const outcomes = messaging.of('attempt.finished.v1').map(({ payload }) => [payload.attempt, payload.result?.error?.code]);
    expect(outcomes.at(-1)).toEqual([2, 'repository_not_found']);
    expect(outcomes.filter(([attempt]) => attempt === 1).length).toBeGreaterThan(0);
  });

  it('stops the attempt that a cancellation names, and every one of the run when it names none', async () => {
    await attempts.start();
    const outcomeAfter = async (run: string, signal: { run: string; attempt?: number }) => {
      const running = attempts.execute(await specOf({ run, attempt: 2 }));
      messaging.cancel(signal);
      await running;
      return messaging.of('attempt.finished.v1').at(-1)?.payload.result?.outcome;
    };
    expect(await outcomeAfter('run_1', { run: 'run_1', attempt: 1 })).toBe('error');
    expect(await outcomeAfter('run_2', { run: 'run_2', attempt: 2 })).toBe('cancelled');
    expect(await outcomeAfter('run_3', { run: 'run_3' })).toBe('cancelled');
  });

  it('hands a running attempt back when the worker is stopped', async () => {
    const running = attempts.execute(await specOf());
    await attempts.drain();
    await running;
    expect(messaging.of('attempt.finished.v1')[0]?.payload.result).toMatchObject({ outcome: 'error', error: { code: 'worker_lost' } });
  });
});
