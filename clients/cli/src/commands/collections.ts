import { collectionsList, collectionsRun, collectionsUpdate, type CollectionPolicy, type Run } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { allPages } from '../session/pages.js';
import { bytes, table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { collectRepository } from './offline-collect.js';
import type { Opening } from './open-offline.js';
import { findRepository, loadRepositories } from './storages.js';

/** A repository that is named is the platform's; one that is given by its place is opened here. */
export async function collect(
  terminal: Terminal,
  name: string | undefined,
  options: Partial<Opening> & { dryRun: boolean; follow: boolean },
): Promise<void> {
  if (name === undefined) {
    if (options.path === undefined)
      throw new RahatError('invalid_input', 'Which repository?', { hint: 'Name one of the platform, or give --path of a storage.' });
    return collectRepository(terminal, { ...options, path: options.path });
  }
  if (options.path !== undefined || options.dryRun)
    throw new RahatError('invalid_input', '--path and --dry-run work on a storage alone.', { hint: 'Leave the name out.' });
  const api = await openApi();
  const { id } = await findRepository(api, name);
  const started = await answer(collectionsRun({ client: api.client, path: { repository: id } }));
  if (!options.follow) {
    terminal.result(started, `Started ${started.id}`);
    return;
  }
  const run = await followRun(api, terminal, started.id, 'collection');
  terminal.result(run, described(run));
  judgeRun(run);
}

function described({ evidence, reasons }: Run): string {
  if (evidence?.type !== 'collection') return reasons.join('\n');
  const { deleted, rescued, condemned, purged, unopened } = evidence;
  return [
    `${bytes(deleted.bytes)} free again (${deleted.packs} packs); ${condemned.packs} packs of ${bytes(condemned.bytes)} follow when their time is over.`,
    ...(rescued.packs > 0 ? [`${rescued.packs} packs are needed again after all.`] : []),
    ...(unopened && unopened.packs > 0
      ? [
          `${bytes(unopened.bytes)} in ${unopened.packs} packs are hardly needed, and stay: --rewrite of \`repository collections\` frees them.`,
        ]
      : []),
    ...(purged > 0 ? [`${purged} removed backups left the trash for good.`] : []),
    ...reasons,
  ].join('\n');
}

export interface PolicyOptions {
  cron?: string;
  timeZone?: string;
  undoDays?: number;
  pool?: string;
  rewrite?: boolean;
}

export async function collectionPolicies(terminal: Terminal, name: string | undefined, options: PolicyOptions): Promise<void> {
  const api = await openApi();
  const { cron, timeZone, undoDays, pool, rewrite } = options;
  const changes = { ...(cron === undefined ? {} : { cron: cron === 'none' ? null : cron }), timeZone, undoDays, pool, rewrite };
  if (Object.values(changes).some((value) => value !== undefined)) {
    if (name === undefined) throw new RahatError('invalid_input', 'Of which repository?', { hint: 'Give its name or id.' });
    const { id } = await findRepository(api, name);
    await answer(collectionsUpdate({ client: api.client, path: { repository: id }, body: changes }));
  }
  const repositories = name === undefined ? await loadRepositories(api) : [await findRepository(api, name)];
  const policies = await allPages((cursor) => answer(collectionsList({ client: api.client, query: { cursor, limit: 200 } })));
  const rows = repositories.flatMap((repository) => {
    const policy = policies.find((candidate) => candidate.repository === repository.id);
    return policy ? [{ ...policy, name: repository.name }] : [];
  });
  terminal.result(rows, table(['REPOSITORY', 'COLLECTED', 'UNDO', 'POOL', 'REWRITES'], rows.map(row)));
}

function row(policy: CollectionPolicy & { name: string }): string[] {
  const when = policy.cron === null ? 'only when somebody says so' : `${policy.cron} (${policy.timeZone})`;
  return [policy.name, when, `${policy.undoDays} days`, policy.pool, policy.rewrite ? 'yes' : 'no'];
}
