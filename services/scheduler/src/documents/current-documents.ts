import type { KnownPlaces, Plan, Scheduling, Server, ServerGroup, Template } from '@rahat/contracts';
import type { ComparedDocument } from './document-changes.js';

/** The organization as it stands, everything with its id. */
export interface CurrentState {
  scheduling: Scheduling;
  groups: ServerGroup[];
  places: KnownPlaces;
  /** Without the platform's own, which follow the platform's configuration. */
  servers: Server[];
  templates: Template[];
  plans: Plan[];
}

/** The same as documents say it. Secrets stand in none. */
export function documentsOf(state: CurrentState): ComparedDocument[] {
  const groupNames = nameById(state.groups);
  const serverNames = nameById(state.servers);
  const storageNames = nameById(state.places.storages);
  const repositoryNames = nameById(state.places.repositories);
  return [
    { kind: 'Scheduling', name: 'organization', spec: { ...state.scheduling } },
    ...state.groups.map((group) => document('ServerGroup', group, { description: group.description })),
    ...state.places.storages.map((storage) => document('Storage', storage, { settings: storage.settings })),
    ...state.places.repositories.map((repository) =>
      document('Repository', repository, {
        storage: storageNames.get(repository.storage) ?? repository.storage,
        prefix: repository.prefix,
      }),
    ),
    ...state.servers.map((server) => document('Server', server, serverSpec(server, groupNames))),
    ...state.templates.map((template) => document('Template', template, { description: template.description, content: template.content })),
    ...state.plans.map((plan) => document('Plan', plan, planSpec(plan, { groupNames, serverNames, repositoryNames }))),
  ];
}

function document(kind: ComparedDocument['kind'], { name }: { name: string }, spec: Record<string, unknown>): ComparedDocument {
  return { kind, name, spec };
}

function serverSpec(server: Server, groupNames: Map<string, string>): Record<string, unknown> {
  const { engine, address, pool, tags, heavyRuns, discoveryMinutes, blackouts, standbys } = server;
  return { engine, address, pool, groups: named(server.groups, groupNames), tags, heavyRuns, discoveryMinutes, blackouts, standbys };
}

function planSpec(
  plan: Plan,
  names: { groupNames: Map<string, string>; serverNames: Map<string, string>; repositoryNames: Map<string, string> },
): Record<string, unknown> {
  const {
    id: _id,
    name: _name,
    server: _server,
    cronInWords: _words,
    nextRuns: _next,
    createdAt: _created,
    enabled,
    pause: _pause,
    // What people wrote down about it is theirs, and no file's.
    note: _note,
    ...rest
  } = plan;
  return {
    ...rest,
    servers: {
      names: named(plan.servers.servers, names.serverNames),
      groups: named(plan.servers.groups, names.groupNames),
      tags: plan.servers.tags,
    },
    repository: names.repositoryNames.get(plan.repository) ?? plan.repository,
    schedules: plan.schedules.map(({ type, cron, timeZone }) => ({ type, cron, timeZone })),
    paused: !enabled,
  };
}

function named(ids: readonly string[], names: Map<string, string>): string[] {
  return ids.map((id) => names.get(id) ?? id).sort();
}

function nameById(things: readonly { id: string; name: string }[]): Map<string, string> {
  return new Map(things.map(({ id, name }) => [id, name]));
}
