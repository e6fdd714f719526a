import { CreatePlan, RahatError, type DocumentKind, type PlanOutline, type RahatDocument, type UpdatePlan } from '@rahat/contracts';
import type { CurrentState } from './current-documents.js';

type Of<K extends DocumentKind> = Extract<RahatDocument, { kind: K }>;

/** The names that a document mentions. */
export function referencedNames(document: RahatDocument): { kind: DocumentKind; name: string }[] {
  switch (document.kind) {
    case 'Repository':
      return [{ kind: 'Storage', name: document.spec.storage }];
    case 'Server':
      return document.spec.groups.map((name) => ({ kind: 'ServerGroup', name }));
    case 'Plan':
      return [
        { kind: 'Repository', name: document.spec.repository },
        ...document.spec.servers.names.map((name) => ({ kind: 'Server' as const, name })),
        ...document.spec.servers.groups.map((name) => ({ kind: 'ServerGroup' as const, name })),
      ];
    case 'Scheduling':
    case 'ServerGroup':
    case 'Storage':
    case 'Template':
      return [];
  }
}

/** Names → ids, as things stand now. */
export function idsOf(state: CurrentState) {
  const things: Record<DocumentKind, readonly { id: string; name: string }[]> = {
    Scheduling: [],
    ServerGroup: state.groups,
    Storage: state.places.storages,
    Repository: state.places.repositories,
    Server: state.servers,
    Template: state.templates,
    Plan: state.plans,
  };
  const find = (kind: DocumentKind, name: string) => things[kind].find((thing) => thing.name.toLowerCase() === name.toLowerCase())?.id;
  return {
    find,
    of(kind: DocumentKind, name: string): string {
      const id = find(kind, name);
      if (!id) throw new RahatError('not_found', `There is no ${kind} '${name}'`);
      return id;
    },
  };
}

export function serverRequest({ metadata, spec }: Of<'Server'>, state: CurrentState) {
  const { address, pool, groups, tags, heavyRuns, discoveryMinutes, blackouts, standbys } = spec;
  return {
    name: metadata.name,
    address,
    pool,
    groups: groups.map((name) => idsOf(state).of('ServerGroup', name)),
    tags,
    heavyRuns,
    discoveryMinutes,
    blackouts,
    standbys,
  };
}

/** What the document and its template don't say is as in a new plan: a document says all of it. */
export function planRequest(
  { document: { metadata, spec }, authorizations }: { document: Of<'Plan'>; authorizations: ReadonlyMap<string, string> },
  outline: PlanOutline,
  state: CurrentState,
): { create: CreatePlan; update: UpdatePlan; paused: boolean } {
  const { template: _template, servers, repository, paused, hooks, ...own } = spec;
  const withValues = hooks?.map((hook) => (hook.kind === 'http' ? { ...hook, authorization: authorizations.get(hook.name) } : hook));
  const ids = idsOf(state);
  const selection = {
    servers: servers.names.map((name) => ids.of('Server', name)),
    groups: servers.groups.map((name) => ids.of('ServerGroup', name)),
    tags: servers.tags,
  };
  const create = CreatePlan.parse({
    ...outline,
    ...own,
    ...(withValues ? { hooks: withValues } : {}),
    name: metadata.name,
    servers: selection,
    repository: ids.of('Repository', repository),
  });
  const { server: _server, method: _method, repository: _repository, cron: _cron, timeZone: _zone, schedules = [], ...changeable } = create;
  return { create: { ...create, schedules }, update: { ...changeable, schedules }, paused };
}
