import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from './world.js';

const TABLE = fileURLToPath(new URL('../../docs/METRICS.md', import.meta.url));
const PROMTOOL = '/usr/bin/promtool';

interface Runtime {
  metricsUrl: string;
  processes?: { name: string; metricsUrl: string }[];
}

/** What each process tells at `/metrics`, by its name. */
export async function scrape(world: World): Promise<Map<string, string>> {
  const runtime = JSON.parse(await readFile(path.join(world.folder, 'data/runtime.json'), 'utf8')) as Runtime;
  const places = runtime.processes ?? [{ name: 'standalone', metricsUrl: runtime.metricsUrl }];
  return new Map(
    await Promise.all(places.map(async ({ name, metricsUrl }) => [name, await (await fetch(`${metricsUrl}/metrics`)).text()] as const)),
  );
}

/** Names of our own metrics. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (rahat_\w+) /gm)].map(([, name]) => name!);
}

/** Names of the table in the documentation. */
export async function documentedNames(): Promise<string[]> {
  return [...(await readFile(TABLE, 'utf8')).matchAll(/^\| `(rahat_\w+)` /gm)].map(([, name]) => name!);
}

/** What `promtool check metrics` has against it; undefined where there is no promtool, which CI must have. */
export function complaintsOfPromtool(text: string): string | undefined {
  if (!existsSync(PROMTOOL)) {
    if (process.env['CI'] === 'true') throw new Error('promtool is not installed');
    return undefined;
  }
  const { stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return stdout + stderr;
}
