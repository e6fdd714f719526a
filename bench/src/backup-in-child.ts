import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { PostgresqlConnection } from '@rahat/contracts';
import { runProcess } from '@rahat/execution';

/** The worker's own default. */
const HEAP_MB = 192;

export interface BackupTask {
  connection: PostgresqlConnection;
  database: string;
  repository: string;
  create: boolean;
}

export interface BackupMeasurement {
  seconds: number;
  addedBytes: number;
  peakMb: number;
}

/** A backup in a process of its own, as the worker runs it; the time includes the process's start. */
export async function backUpInChild(task: BackupTask): Promise<BackupMeasurement> {
  const started = performance.now();
  const { execArgv, env } = runProcess(HEAP_MB);
  const child = fork(new URL('./backup-child.js', import.meta.url), { execArgv, env: { ...process.env, ...env } });
  child.send(task);
  const [report] = (await once(child, 'message')) as [{ addedBytes: number; peakMb: number; error?: string }];
  await once(child, 'exit');
  if (report.error) throw new Error(report.error);
  return { ...report, seconds: (performance.now() - started) / 1000 };
}
