import { expect, it } from '@jest/globals';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Janitor } from './janitor.js';

interface Told {
  dataFolder: string;
  socketFolder: string;
}

it('leaves neither server nor folder of a worker that was killed in a test restore, once the next one starts', async () => {
  const root = await mkdtemp(join(tmpdir(), 'rahat-janitor-kill-'));
  try {
    const program = join(root, 'worker.mjs');
    const built = (file: string) => JSON.stringify(join(import.meta.dirname, '../../dist', file));
    // What a test restore holds while it works: a scratch folder, and in it a server of its own.
    await writeFile(
      program,
      `import { Janitor } from ${built('janitor/janitor.js')};
       import { createRequire } from 'node:module';
       const { startThrowawayServer } = await import(createRequire(${built('run-child.js')}).resolve('@rahat/execution'));
       const scratch = await new Janitor(${JSON.stringify(join(root, 'scratch'))}).makeScratch('run_1', 1);
       const { dataFolder, socketFolder } = await startThrowawayServer({ scratchFolder: scratch.path, toolFolders: [], signal: new AbortController().signal });
       process.send({ dataFolder, socketFolder });
       setInterval(() => undefined, 1000);`,
    );
    const worker = fork(program, [], { execArgv: [] });
    const [{ dataFolder, socketFolder }] = (await once(worker, 'message')) as [Told];
    const server = Number((await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n')[0]);
    const ended = once(worker, 'exit');
    worker.kill('SIGKILL');
    await ended;
    expect(await runsOn(server, dataFolder)).toBe(true);

    await new Janitor(join(root, 'scratch')).clean();
    expect(await runsOn(server, dataFolder)).toBe(false);
    expect(await readdir(join(root, 'scratch'))).toEqual([]);
    await expect(readdir(socketFolder)).rejects.toThrow('ENOENT');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

async function runsOn(pid: number, dataFolder: string): Promise<boolean> {
  const [argv, status] = await Promise.all(['cmdline', 'status'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')));
  return argv!.split('\0').includes(dataFolder) && !/^State:\s+Z/m.test(status!);
}
