import { RahatError } from '@rahat/contracts';
import { browsingCase } from '../api/browsing.js';
import { withFilledCluster, type FilledCluster } from '../api/filled-cluster.js';
import { liveSocketsCase } from '../api/live-sockets.js';
import { logInFloodCase } from '../api/log-in-flood.js';
import type { BenchOptions } from '../bench-options.js';
import type { Catalog } from '../orchestration/scheduler.js';
import type { BenchResult } from '../result-table.js';

const FULL: Catalog = { servers: 1_000, databases: 10_000, backups: 1_000_000 };
const QUICK: Catalog = { servers: 50, databases: 500, backups: 50_000 };

const CASES: Record<string, (cluster: FilledCluster, options: BenchOptions) => Promise<BenchResult[]>> = {
  browsing: browsingCase,
  'log-ins': logInFloodCase,
  sockets: liveSocketsCase,
};

/** The front door of a cluster on this machine, which the users share with it. `quick`: a twentieth of the catalog, a tenth of the users. */
export async function apiSuite(options: BenchOptions): Promise<BenchResult[]> {
  const names = options.cases ?? Object.keys(CASES);
  const unknown = names.filter((name) => !Object.hasOwn(CASES, name));
  if (unknown.length > 0)
    throw new RahatError('invalid_input', `There is no case ${unknown.join(', ')}.`, { hint: `Cases: ${Object.keys(CASES).join(', ')}.` });
  return withFilledCluster(options.quick ? QUICK : FULL, options.log, async (cluster) => {
    const results: BenchResult[] = [];
    for (const name of names) results.push(...(await CASES[name]!(cluster, options)));
    return results;
  });
}
