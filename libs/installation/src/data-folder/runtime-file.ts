import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { DataFolder } from './data-folder.js';

const Runtime = z.object({
  url: z.string(),
  metricsUrl: z.string(),
  pid: z.number().int(),
  version: z.string(),
  startedAt: z.iso.datetime(),
  /** Only while there is no owner. */
  setupUrl: z.string().optional(),
  /** Of the cluster shape. */
  processes: z
    .array(z.object({ name: z.string(), service: z.string(), pid: z.number().int().nullable(), metricsUrl: z.string() }))
    .optional(),
});
export type Runtime = z.infer<typeof Runtime>;

/** How the CLI and tests on the same machine find the running instance. */
export function writeRuntimeFile(folder: DataFolder, runtime: Runtime): void {
  const draft = `${folder.runtimeFile}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(runtime, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, folder.runtimeFile);
}

export function readRuntimeFile(folder: DataFolder): Runtime | undefined {
  try {
    return Runtime.parse(JSON.parse(readFileSync(folder.runtimeFile, 'utf8')));
  } catch {
    return undefined;
  }
}

export function removeRuntimeFile(folder: DataFolder): void {
  rmSync(folder.runtimeFile, { force: true });
}
