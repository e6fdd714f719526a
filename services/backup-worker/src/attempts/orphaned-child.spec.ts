import { expect, it } from '@jest/globals';
import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BackupSpec, newId, type RunSecrets } from '@rahat/contracts';
import { openBlobStore } from '@rahat/blob-store-registry';
import { processStart } from '@rahat/execution';
import { createRepository, grantCredential } from '@rahat/repository';

it('ends a run whose worker was killed, with nothing stored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rahat-orphan-'));
  // A server that takes connections and never says a word: the run would wait.
  const silent = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => silent.once('listening', listening));
  try {
    const storage = { driver: 'local' as const, path: folder };
    const repository = await createRepository(await openBlobStore(storage, 'main'), { passphrase: 'correct horse battery' });
    const secrets: RunSecrets = {
      source: {
        host: '127.0.0.1',
        port: (silent.address() as AddressInfo).port,
        user: 'u',
        password: 'secret',
        maintenanceDatabase: 'postgres',
        tls: 'disable',
      },
      repositories: [
        {
          repositoryId: repository.id,
          storage,
          prefix: 'main',
          credential: grantCredential('write-only', repository.id, repository.exportSecrets()),
        },
      ],
    };
    const spec: BackupSpec = {
      version: 1,
      type: 'backup',
      run: newId('run'),
      attempt: 1,
      organization: 'org_1',
      engine: 'postgresql',
      server: { id: 'server_1', name: 'one' },
      deadline: new Date(Date.now() + 3_600_000).toISOString(),
      noProgressSeconds: 900,
      sealedSecrets: '',
      method: 'postgresql.logical',
      database: { name: 'shop' },
      snapshot: 's1',
      repository: repository.id,
      deep: false,
    };
    const program = join(folder, 'worker.mjs');
    await writeFile(
      program,
      `import { AttemptProcess } from ${JSON.stringify(join(import.meta.dirname, '../../dist/attempts/attempt-process.js'))};
       process.once('message', (options) => {
         const attempt = new AttemptProcess({ ...options, onLog() {}, onProgress: ({ phase }) => process.send({ pid: attempt.pid, phase }) });
       });`,
    );
    const worker = fork(program, [], { execArgv: [] });
    const pid = await new Promise<number>((connecting) => {
      worker.on('message', (told: { pid: number; phase: string }) => told.phase !== 'opening repository' && connecting(told.pid));
      worker.send({ spec, secrets, scratchFolder: folder, toolFolders: [], workerName: 'worker-1', heapMb: 128 });
    });
    expect(await processStart(pid)).not.toBe('');
    worker.kill('SIGKILL');
    const killed = Date.now();
    while ((await processStart(pid)) !== '' && Date.now() - killed < 15_000) await sleep(50);
    expect(Date.now() - killed).toBeLessThan(3_000);
    expect(await Array.fromAsync(repository.snapshots())).toEqual([]);
  } finally {
    silent.close();
    await rm(folder, { recursive: true, force: true });
  }
});
