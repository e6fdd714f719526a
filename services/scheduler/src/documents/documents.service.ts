import {
  allows,
  RahatError,
  StorageConnection,
  type AppliedDocuments,
  type ApplyDocuments,
  type DocumentChange,
  type ExportedDocuments,
  type Principal,
  type RahatDocument,
  type Scope,
} from '@rahat/contracts';
import type { PlansService } from '../plans/plans.service.js';
import type { SchedulingService } from '../scheduling/scheduling.service.js';
import type { ServerGroupsService } from '../servers/server-groups.service.js';
import type { ServersService } from '../servers/servers.service.js';
import type { TemplatesService } from '../templates/templates.service.js';
import { CurrentOrganization } from './current-organization.js';
import { documentsOf, type CurrentState } from './current-documents.js';
import { documentChanges, keyOf, type ComparedDocument } from './document-changes.js';
import { exportedDocument } from './exported-document.js';
import type { Places } from './places.js';
import { idsOf, planRequest, referencedNames, serverRequest } from './requests.js';
import { secretInRequest, serverSecret } from './server-secret.js';
import { referenceOf, wantedDocuments, type WantedDocument } from './wanted-documents.js';

const SCOPES: Record<RahatDocument['kind'], Scope> = {
  Scheduling: 'plan:write',
  ServerGroup: 'server:write',
  Storage: 'storage:write',
  Repository: 'storage:write',
  Server: 'server:write',
  Template: 'plan:write',
  Plan: 'plan:write',
};

export interface DocumentServices {
  scheduling: SchedulingService;
  groups: ServerGroupsService;
  servers: ServersService;
  templates: TemplatesService;
  plans: PlansService;
  places: Places;
}

/** Brings an organization to what documents say, by the same services and rules as any other request. Applied again, nothing changes. */
export class DocumentsService {
  private readonly current: CurrentOrganization;

  constructor(private readonly services: DocumentServices) {
    this.current = new CurrentOrganization(services);
  }

  async export(principal: Principal): Promise<ExportedDocuments> {
    return { documents: documentsOf(await this.current.load(principal)).map(exportedDocument) };
  }

  async apply(principal: Principal, request: ApplyDocuments): Promise<AppliedDocuments> {
    const state = await this.current.load(principal);
    const { data: templates } = await this.services.templates.list(principal);
    const wanted = wantedDocuments(request.documents, request.secrets, { templates: [...templates].reverse() });
    const current = documentsOf(state);
    const compared = await Promise.all(wanted.map((document) => this.compared(principal, document, state, current)));
    const changes = documentChanges(withSecrets(current), compared, request);
    assertReferences(wanted, current, changes);
    assertAllowed(principal, changes);
    assertPossible(wanted, changes);
    if (!request.dryRun) {
      const byKey = new Map(wanted.map((document) => [keyOf(document), document]));
      let standing = { kind: undefined as DocumentChange['kind'] | undefined, state };
      for (const change of changes.filter(({ action }) => action !== 'unchanged')) {
        // What a document refers to is of an earlier kind, and may just have been made.
        if (change.kind !== standing.kind) standing = { kind: change.kind, state: await this.current.load(principal) };
        await this.carryOut(principal, change, byKey.get(keyOf(change)), standing.state);
      }
    }
    return { dryRun: request.dryRun, changes };
  }

  /** With what only this installation knows: the folder that a repository got, and whether a secret is another one. */
  private async compared(
    principal: Principal,
    wanted: WantedDocument,
    state: CurrentState,
    current: readonly ComparedDocument[],
  ): Promise<ComparedDocument> {
    const before = current.find((document) => keyOf(document) === keyOf(wanted));
    const { kind, name, spec, secret } = wanted;
    if (kind === 'Repository') return { kind, name, spec: { ...spec, prefix: spec['prefix'] ?? before?.spec['prefix'] } };
    if (kind === 'Plan') return { kind, name, spec: { ...spec, hooks: await this.comparedHooks(principal, wanted, state) } };
    if (kind !== 'Server') return { kind, name, spec };
    const server = state.servers.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
    const same = !server || secret === undefined || (await this.services.servers.hasSecret(principal, server.id, secret));
    return { kind, name, spec: withSecret(spec, same ? KEPT : 'changed') };
  }

  private async comparedHooks(principal: Principal, { name, spec, authorizations }: WantedDocument, state: CurrentState): Promise<unknown> {
    const id = idsOf(state).find('Plan', name);
    const hooks = spec['hooks'] as { name: string }[];
    if (!id) return hooks;
    return Promise.all(
      hooks.map(async (hook) => {
        const given = authorizations.get(hook.name);
        const changed = given !== undefined && !(await this.services.plans.hasAuthorization(principal, id, hook.name, given));
        return changed ? { ...hook, authorizationSet: 'changed' } : hook;
      }),
    );
  }

  private async carryOut(
    principal: Principal,
    change: DocumentChange,
    wanted: WantedDocument | undefined,
    state: CurrentState,
  ): Promise<void> {
    try {
      if (change.action === 'delete') await this.remove(principal, change, state);
      else await this.write(principal, wanted!, state);
    } catch (error) {
      const { code, message, hint, retryable } = RahatError.from(error);
      throw new RahatError(code, `${change.kind} '${change.name}' was not applied: ${message}`, {
        hint: hint ?? 'What came before it is applied; repeat when this is cured.',
        retryable,
        cause: error,
      });
    }
  }

  private async write(principal: Principal, { document, secret, authorizations }: WantedDocument, state: CurrentState): Promise<void> {
    const { scheduling, groups, servers, templates, plans, places } = this.services;
    const { name } = document.metadata;
    const id = idsOf(state).find(document.kind, name);
    switch (document.kind) {
      case 'Scheduling':
        await scheduling.put(principal, document.spec);
        return;
      case 'ServerGroup':
        if (id) await groups.update(principal, id, { name, ...document.spec });
        else await groups.create(principal, { name, ...document.spec });
        return;
      case 'Storage':
        await places.createStorage(principal, { name, settings: StorageConnection.parse(connection(document.spec.settings, secret)) });
        return;
      case 'Repository':
        await places.createRepository(principal, {
          name,
          storage: idsOf(state).of('Storage', document.spec.storage),
          prefix: document.spec.prefix,
          passphrase: secret,
        });
        return;
      case 'Server': {
        const request = serverRequest(document, state);
        const { password, keys } = secretInRequest(serverSecret(document.spec), secret);
        if (id) await servers.update(principal, id, { ...request, password, keys: keys && (await servers.keysWith(principal, id, keys)) });
        else await servers.create(principal, { ...request, engine: document.spec.engine, password, keys });
        return;
      }
      case 'Template':
        if (id) await templates.update(principal, id, { name, ...document.spec });
        else await templates.create(principal, { name, ...document.spec });
        return;
      case 'Plan': {
        const outline = (await this.outlineOf(principal, document.spec.template)) ?? {};
        const { create, update, paused } = planRequest({ document, authorizations }, outline, state);
        const plan = id ? await plans.update(principal, id, update) : await plans.create(principal, create);
        if (paused && plan.enabled) await plans.pause(principal, plan.id, {});
        if (!paused && !plan.enabled) await plans.resume(principal, plan.id);
      }
    }
  }

  private async outlineOf(principal: Principal, template: string | undefined) {
    return template === undefined ? undefined : (await this.services.templates.get(principal, template)).content;
  }

  private async remove(principal: Principal, { kind, name }: DocumentChange, state: CurrentState): Promise<void> {
    const id = idsOf(state).find(kind, name);
    if (!id) return;
    if (kind === 'Plan') await this.services.plans.remove(principal, id);
    if (kind === 'Template') await this.services.templates.remove(principal, id);
    if (kind === 'Server') await this.services.servers.remove(principal, id);
    if (kind === 'ServerGroup') await this.services.groups.remove(principal, id);
  }
}

const KEPT = 'kept';

function withSecrets(documents: readonly ComparedDocument[]): ComparedDocument[] {
  return documents.map((document) => (document.kind === 'Server' ? { ...document, spec: withSecret(document.spec, KEPT) } : document));
}

function withSecret(spec: Record<string, unknown>, state: string): Record<string, unknown> {
  const field = serverSecret(spec);
  return field === undefined ? spec : { ...spec, [field]: state };
}

function connection(settings: object & { credentials?: { source: string } }, secretAccessKey: string | undefined): object {
  return settings.credentials?.source === 'access-key'
    ? { ...settings, credentials: { ...settings.credentials, secretAccessKey } }
    : settings;
}

/** Every name that a document mentions is there, or is in another document; what is pruned is not. */
function assertReferences(
  wanted: readonly WantedDocument[],
  current: readonly ComparedDocument[],
  changes: readonly DocumentChange[],
): void {
  const going = new Set(changes.filter(({ action }) => action === 'delete').map(keyOf));
  const there = new Set([...current.filter((document) => !going.has(keyOf(document))), ...wanted].map(keyOf));
  for (const { document, kind, name } of wanted)
    for (const reference of referencedNames(document))
      if (!there.has(keyOf(reference)))
        throw new RahatError(
          'invalid_input',
          `${kind} '${name}' refers to the ${reference.kind} '${reference.name}', which is neither there nor among the documents`,
        );
}

function assertAllowed(principal: Principal, changes: readonly DocumentChange[]): void {
  for (const { kind, name, action } of changes)
    if (action !== 'unchanged' && !allows(principal, SCOPES[kind]))
      throw new RahatError('forbidden', `${SCOPES[kind]} is needed for ${kind} '${name}'`);
}

/** Told before anything is done. */
function assertPossible(wanted: readonly WantedDocument[], changes: readonly DocumentChange[]): void {
  for (const change of changes) {
    const of = wanted.find((document) => keyOf(document) === keyOf(change));
    const fixed = FIXED[change.kind]?.(change) ?? [];
    if (change.action === 'update' && fixed.length > 0)
      throw new RahatError('conflict', `${change.kind} '${change.name}' cannot be changed in ${fixed.join(', ')}`, {
        hint: 'Give the document another name, or take the value that stands.',
      });
    const needsSecret = of !== undefined && referenceOf(of.document) !== undefined;
    const unauthorized = of && change.action !== 'unchanged' ? hookWithoutValue(of, change) : undefined;
    if (unauthorized !== undefined)
      throw new RahatError('invalid_input', `The authorization of the hook '${unauthorized}' of Plan '${change.name}' was not given`, {
        hint: 'Set the variable, or make the file, that its secretRef names.',
      });
    if (change.action === 'create' && needsSecret && of?.secret === undefined)
      throw new RahatError('invalid_input', `The secret of ${change.kind} '${change.name}' was not given`, {
        hint: 'Set the variable, or make the file, that its secretRef names.',
      });
  }
}

/** One that is kept needs no value; one that is new, or calls another place, does. */
function hookWithoutValue({ document, authorizations }: WantedDocument, change: DocumentChange): string | undefined {
  if (document.kind !== 'Plan') return undefined;
  const before = change.fields.find(({ path }) => path === 'hooks')?.before as
    { name: string; url?: string; authorizationSet?: boolean }[] | undefined;
  const isKept = (hook: { name: string; url: string }) =>
    change.action === 'update' &&
    (before === undefined || before.some(({ name, url, authorizationSet }) => name === hook.name && url === hook.url && authorizationSet));
  const missing = document.spec.hooks?.find(
    (hook) => hook.kind === 'http' && hook.authorization && !authorizations.has(hook.name) && !isKept(hook),
  );
  return missing?.name;
}

const FIXED: Partial<Record<DocumentChange['kind'], (change: DocumentChange) => string[]>> = {
  Storage: ({ fields }) => fields.map(({ path }) => path),
  Repository: ({ fields }) => fields.map(({ path }) => path),
  Server: ({ fields }) => fields.map(({ path }) => path).filter((path) => path === 'engine'),
  Plan: ({ fields }) => fields.map(({ path }) => path).filter((path) => path === 'method' || path === 'repository'),
};
