import { CreatePlan, RahatDocument, secretKey, type HookOutline, type PlanOutline, type SecretReference } from '@rahat/contracts';
import { mistaken, type Mistake } from '../input/mistake.js';
import { keyOf, type ComparedDocument } from './document-changes.js';

export interface WantedDocument extends ComparedDocument {
  document: RahatDocument;
  /** The secret that the document refers to, when its value was given. */
  secret: string | undefined;
  /** Of a plan: the authorizations that were given, by the name of their hook. */
  authorizations: ReadonlyMap<string, string>;
}

/** Reads the documents; every mistake is told with its document. Templates of the same set count before those of the organization. */
export function wantedDocuments(
  documents: readonly unknown[],
  secrets: Readonly<Record<string, string>>,
  known: { templates: readonly { name: string; content: PlanOutline }[] },
): WantedDocument[] {
  const mistakes: Mistake[] = [];
  const read = documents.flatMap((document, index) => {
    const parsed = RahatDocument.safeParse(document);
    if (parsed.success) return [{ document: parsed.data, index }];
    mistakes.push(
      ...parsed.error.issues.map((issue) => ({ pointer: `/documents/${[index, ...issue.path].join('/')}`, message: issue.message })),
    );
    return [];
  });
  if (mistakes.length > 0) throw mistaken(...mistakes);
  const templates = new Map(known.templates.map(({ name, content }) => [name.toLowerCase(), content]));
  for (const { document } of read)
    if (document.kind === 'Template') templates.set(document.metadata.name.toLowerCase(), document.spec.content);
  const wanted = read.map(({ document, index }) => ({
    kind: document.kind,
    name: document.metadata.name,
    spec: specOf(document, templates, index),
    document,
    secret: valueOf(referenceOf(document), secrets),
    authorizations: authorizationsOf(document, secrets),
  }));
  const seen = new Map<string, number>();
  for (const [index, document] of wanted.entries()) {
    const first = seen.get(keyOf(document));
    if (first !== undefined)
      throw mistaken({
        pointer: `/documents/${index}`,
        message: `is the second ${document.kind} '${document.name}'; the first is document ${first}`,
      });
    seen.set(keyOf(document), index);
  }
  return wanted;
}

export function referenceOf(document: RahatDocument): SecretReference | undefined {
  switch (document.kind) {
    case 'Server':
      return document.spec.password ?? document.spec.awsSecretAccessKey;
    case 'Repository':
      return document.spec.passphrase;
    case 'Storage':
      return document.spec.secretAccessKey;
    case 'Plan':
    case 'Scheduling':
    case 'ServerGroup':
    case 'Template':
      return undefined;
  }
}

function authorizationsOf(document: RahatDocument, secrets: Readonly<Record<string, string>>): Map<string, string> {
  if (document.kind !== 'Plan') return new Map();
  const given = (document.spec.hooks ?? []).flatMap((hook) => {
    const value = hook.kind === 'http' ? valueOf(hook.authorization, secrets) : undefined;
    return value === undefined ? [] : [[hook.name, value] as const];
  });
  return new Map(given);
}

function valueOf(reference: SecretReference | undefined, secrets: Readonly<Record<string, string>>): string | undefined {
  if (!reference) return undefined;
  const key = secretKey(reference);
  return Object.hasOwn(secrets, key) ? secrets[key] : undefined;
}

function specOf(document: RahatDocument, templates: ReadonlyMap<string, PlanOutline>, index: number): Record<string, unknown> {
  switch (document.kind) {
    case 'Scheduling':
    case 'ServerGroup':
    case 'Template':
      return { ...document.spec };
    case 'Storage':
      return { settings: document.spec.settings };
    case 'Repository':
      // Without a prefix the folder is named after the repository, when it is made.
      return { storage: document.spec.storage, prefix: document.spec.prefix };
    case 'Server': {
      const { password: _password, awsSecretAccessKey: _key, groups, ...rest } = document.spec;
      return { ...rest, groups: [...groups].sort() };
    }
    case 'Plan': {
      const { template, servers, repository, paused, hooks, ...own } = document.spec;
      const content = template === undefined ? {} : templates.get(template.toLowerCase());
      if (!content) throw mistaken({ pointer: `/documents/${index}/spec/template`, message: `there is no template '${template}'` });
      const {
        name: _name,
        server: _server,
        cron: _cron,
        timeZone: _zone,
        schedules = [],
        servers: _servers,
        ...outline
      } = CreatePlan.parse({
        ...content,
        ...own,
        hooks: [],
        name: document.metadata.name,
        repository,
        servers: {},
      });
      return {
        ...outline,
        schedules,
        servers: { names: [...servers.names].sort(), groups: [...servers.groups].sort(), tags: servers.tags },
        repository,
        paused,
        hooks: (hooks ?? content.hooks ?? []).map(comparedHook),
      };
    }
  }
}

/** With whether there is an authorization in place of the reference to it. */
function comparedHook(hook: HookOutline & { authorization?: unknown }): object {
  const { authorization, ...outline } = hook;
  return outline.kind === 'http' ? { ...outline, authorizationSet: authorization !== undefined } : outline;
}
