import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RahatError } from '@rahat/contracts';
import { startPostgresql } from '@rahat/test-servers';
import { endedChildrenSeconds, runMeasured, type Command, type Usage } from '../repository/measured-process.js';
import { folderBytes } from '../repository/sample-data.js';
import { recovered, type SampleCluster, type TableSums } from './cluster.js';
import type { PhysicalContestant, PhysicalContestantFactory } from './contestants.js';

/**
 * A first backup, one after the newest 2 % of the rows changed and its restore, one after 2 % changed anywhere and its restore: that one's
 * bytes lie in all three.
 */
export type BackupStep = 'first' | 'recent' | 'scattered';
export type PhysicalStep = BackupStep | 'restore' | 'restore scattered';

interface Taken extends Usage {
  /** Of the server's processes, for this step. */
  serverCpuSeconds: number;
  /** What the repository grew by. */
  grownBytes: number;
}

export type PhysicalRound = Record<PhysicalStep, Taken>;

export interface PhysicalTurn {
  contestant: PhysicalContestant;
  round: PhysicalRound;
}

/** A server's process that served somebody tells what it used when it has ended. */
const PROCESS_END_MS = 300;

/** One turn of all contestants on the same states of the cluster, in new repositories. Every restore is started and compared. */
export async function playPhysicalRound(
  cluster: SampleCluster,
  factories: PhysicalContestantFactory[],
  log: (line: string) => void,
): Promise<PhysicalTurn[]> {
  const homes = path.join(cluster.scratch, 'homes');
  const turns: { contestant: PhysicalContestant; round: Partial<PhysicalRound> }[] = [];
  try {
    await cluster.reset();
    for (const [number, factory] of factories.entries()) {
      const home = path.join(homes, String(number));
      await mkdir(home, { recursive: true });
      const contestant = await factory(cluster, home);
      const create = await contestant.create();
      if (create) await runMeasured(create);
      turns.push({ contestant, round: {} });
    }
    const each = async (step: PhysicalStep, take: (contestant: PhysicalContestant) => Promise<Taken>): Promise<void> => {
      for (const { contestant, round } of turns) {
        round[step] = await take(contestant);
        log(describe(contestant.name, step, round[step]));
      }
    };
    await each('first', (contestant) => backUp(cluster, contestant, 'first'));
    await cluster.change('recent');
    await each('recent', (contestant) => backUp(cluster, contestant, 'next'));
    const sums = await cluster.sums();
    await each('restore', (contestant) => restore(cluster, contestant, sums));
    await cluster.change('scattered');
    await each('scattered', (contestant) => backUp(cluster, contestant, 'next'));
    const scatteredSums = await cluster.sums();
    await each('restore scattered', (contestant) => restore(cluster, contestant, scatteredSums));
    return turns as PhysicalTurn[];
  } finally {
    await rm(homes, { recursive: true, force: true });
  }
}

async function backUp(cluster: SampleCluster, contestant: PhysicalContestant, which: 'first' | 'next'): Promise<Taken> {
  await cluster.archiveWith(contestant.archiveCommand);
  try {
    return await measure(cluster, contestant, contestant.backUp(which));
  } finally {
    await cluster.archiveWith(undefined);
  }
}

async function restore(cluster: SampleCluster, contestant: PhysicalContestant, sums: TableSums): Promise<Taken> {
  const folder = path.join(cluster.scratch, 'restored');
  await mkdir(folder, { mode: 0o700 });
  if (cluster.user) await chown(folder, cluster.user.uid, cluster.user.gid);
  const taken = await measure(cluster, contestant, contestant.restore(folder));
  await assertRestored(cluster, folder, sums, contestant.name);
  return taken;
}

async function measure(cluster: SampleCluster, { repository }: PhysicalContestant, command: Command): Promise<Taken> {
  const before = { bytes: await folderBytes(repository), seconds: endedChildrenSeconds(cluster.server.pid) };
  const usage = await runMeasured(command);
  await sleep(PROCESS_END_MS);
  return {
    ...usage,
    serverCpuSeconds: endedChildrenSeconds(cluster.server.pid) - before.seconds,
    grownBytes: (await folderBytes(repository)) - before.bytes,
  };
}

/** A restore that holds other rows ends the measurement: nobody wants to know how fast it was. */
async function assertRestored(cluster: SampleCluster, folder: string, expected: TableSums, who: string): Promise<void> {
  await chmod(folder, 0o700);
  const { password, major } = cluster.server;
  await using copy = await startPostgresql({ major, restored: { folder, password }, settings: { archive_mode: 'off' } });
  await recovered(copy, performance.now());
  const found = await cluster.sums(copy);
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new RahatError(
      'restore_mismatch',
      `What ${who} restored holds other rows: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}.`,
    );
}

function describe(name: string, step: PhysicalStep, { seconds, cpuSeconds, serverCpuSeconds, peakMb, grownBytes }: Taken): string {
  const isRestore = step.startsWith('restore');
  const server = isRestore ? '' : `, server's ${serverCpuSeconds.toFixed(1)} s`;
  const grown = isRestore ? '' : `; ${(grownBytes / 1e6).toFixed(1)} MB stored`;
  return `  ${step}: ${name} ${seconds.toFixed(2)} s (cpu ${cpuSeconds.toFixed(1)} s${server}, ${peakMb.toFixed(0)} MB)${grown}`;
}
