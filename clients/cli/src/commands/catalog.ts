import { catalogRebuild, type Run } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { followRun, judgeRun } from '../session/follow-run.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findRepository, loadRepositories } from './storages.js';

export async function rebuildCatalog(
  terminal: Terminal,
  options: { repository?: string; dryRun: boolean; follow: boolean },
): Promise<void> {
  const api = await openApi();
  const repository = options.repository === undefined ? undefined : (await findRepository(api, options.repository)).id;
  const { runs } = await answer(catalogRebuild({ client: api.client, body: { repository, dryRun: options.dryRun } }));
  if (!options.follow) {
    terminal.result(runs, runs.map(({ id }) => `Started ${id}`).join('\n'));
    return;
  }
  const names = new Map((await loadRepositories(api)).map(({ id, name }) => [id, name]));
  const ended: Run[] = [];
  for (const { id, repository: of } of runs) ended.push(await followRun(api, terminal, id, names.get(of) ?? of));
  terminal.result(ended, ended.map((run) => `${visible(names.get(run.repository) ?? run.repository)}: ${described(run)}`).join('\n'));
  for (const run of ended) judgeRun(run);
}

function described({ evidence, reasons, state }: Run): string {
  if (evidence?.type !== 'rebuild') return [state, ...reasons.map(visible)].join('\n  ');
  const { found, outcomes, dryRun, missing } = evidence;
  const { known, recorded, recordedInTrash, corrected, inFlight, givenUp } = outcomes;
  const counts: [number, string][] = [
    [recorded, dryRun ? 'would be recorded' : 'recorded'],
    [recordedInTrash, `in the trash, ${dryRun ? 'would be recorded' : 'recorded'} as such`],
    [corrected, dryRun ? 'stand elsewhere than the catalog says' : 'stood elsewhere than the catalog said'],
    [known, 'known already'],
    [inFlight, 'of runs that are under way'],
    [givenUp, 'left by attempts that were given up'],
  ];
  const told = counts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  return [
    `${found} snapshots found${told.length > 0 ? `: ${told.join(', ')}` : ''}.`,
    ...reasons.map(visible),
    ...missing.backups.slice(0, 20).map(({ backup, snapshot }) => `not there: ${backup} (${snapshot})`),
  ].join('\n  ');
}
