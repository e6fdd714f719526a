import { z } from 'zod';
import { BlackoutWindows } from '../blackouts.js';
import { PostgresqlAddress } from '../connection.js';
import { HttpHook, ScriptHook } from '../hooks.js';
import { Engine } from '../labels.js';
import { PlainText } from '../plain-text.js';
import { StandbyAddress } from '../source-limits.js';
import { StorageSettings } from '../storage-settings.js';
import { Tags } from '../tags.js';
import { PlanOutline } from './plans.js';
import { Scheduling } from './scheduling.js';

/** Plans and what they need as documents, in the shape that Kubernetes made usual: names instead of ids, secrets by reference only. */
export const DOCUMENT_API_VERSION = 'rahat.io/v1alpha1';

const Name = PlainText.trim().min(1).max(100);

/** Where whoever applies the document finds a secret; the value itself is in no document. */
export const SecretReference = z
  .object({
    secretRef: z.union([
      z.object({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }).strict(),
      z.object({ file: z.string().min(1) }).strict(),
    ]),
  })
  .strict();
export type SecretReference = z.infer<typeof SecretReference>;

/** Under this key the value stands beside the documents. */
export function secretKey({ secretRef }: SecretReference): string {
  return 'env' in secretRef ? `env:${secretRef.env}` : `file:${secretRef.file}`;
}

function documentOf<K extends string, S extends z.ZodType>(kind: K, spec: S) {
  return z
    .object({ apiVersion: z.literal(DOCUMENT_API_VERSION), kind: z.literal(kind), metadata: z.object({ name: Name }).strict(), spec })
    .strict();
}

const Description = PlainText.max(500).default('');

export const SchedulingDocument = documentOf('Scheduling', Scheduling);
export const ServerGroupDocument = documentOf('ServerGroup', z.object({ description: Description }).strict().prefault({}));
export const StorageDocument = documentOf(
  'Storage',
  z.object({ settings: StorageSettings, secretAccessKey: SecretReference.optional() }).strict(),
);
export const RepositoryDocument = documentOf(
  'Repository',
  z
    .object({
      storage: Name,
      prefix: z
        .string()
        .regex(/^[a-z0-9._-]{1,60}$/)
        .optional(),
      passphrase: SecretReference,
    })
    .strict(),
);
export const ServerDocument = documentOf(
  'Server',
  z
    .object({
      engine: Engine.default('postgresql'),
      address: PostgresqlAddress,
      /** Not where `authentication` of the address says otherwise. */
      password: SecretReference.optional(),
      /** Of the access key that `authentication` names. */
      awsSecretAccessKey: SecretReference.optional(),
      pool: z.string().default('default'),
      groups: z.array(Name).max(100).default([]),
      tags: Tags.default([]),
      heavyRuns: z.number().int().min(1).max(100).default(1),
      discoveryMinutes: z.number().int().min(1).max(10_080).nullable().default(null),
      blackouts: BlackoutWindows.default([]),
      standbys: z.array(StandbyAddress).max(10).default([]),
    })
    .strict()
    .superRefine(({ address: { authentication }, password, awsSecretAccessKey }, context) => {
      const told = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
      if (authentication === undefined && password === undefined) told('password', 'is needed');
      if (authentication !== undefined && password !== undefined) told('password', 'is not used with authentication');
      const withKey = authentication?.credentials.source === 'access-key';
      if (withKey && awsSecretAccessKey === undefined) told('awsSecretAccessKey', 'is needed for the access key');
      if (!withKey && awsSecretAccessKey !== undefined) told('awsSecretAccessKey', 'belongs to an access key in authentication');
    }),
);
export const TemplateDocument = documentOf('Template', z.object({ description: Description, content: PlanOutline }).strict());

const ServerNames = z
  .object({ names: z.array(Name).max(1000).default([]), groups: z.array(Name).max(100).default([]), tags: Tags.default([]) })
  .strict();
export const PlanDocument = documentOf(
  'Plan',
  PlanOutline.extend({
    /** What the plan doesn't say is taken from here. */
    template: Name.optional(),
    servers: ServerNames,
    repository: Name,
    paused: z.boolean().default(false),
    hooks: z
      .array(z.discriminatedUnion('kind', [HttpHook.extend({ authorization: SecretReference.optional() }), ScriptHook]))
      .max(20)
      .optional(),
  }).strict(),
);

/** In the order in which they are made; each refers to earlier ones only. */
export const RahatDocument = z.discriminatedUnion('kind', [
  SchedulingDocument,
  ServerGroupDocument,
  StorageDocument,
  RepositoryDocument,
  ServerDocument,
  TemplateDocument,
  PlanDocument,
]);
export type RahatDocument = z.infer<typeof RahatDocument>;
export type DocumentKind = RahatDocument['kind'];
export const DOCUMENT_KINDS: readonly DocumentKind[] = ['Scheduling', 'ServerGroup', 'Storage', 'Repository', 'Server', 'Template', 'Plan'];

export const ApplyDocuments = z
  .object({
    documents: z.array(z.unknown()).max(5_000),
    /** Values by `env:NAME` or `file:PATH`, as the references name them. */
    secrets: z.record(z.string(), z.string().max(10_000)).default({}),
    /** Also delete the plans, templates, servers and groups that no document names. Storages and repositories always stay. */
    prune: z.boolean().default(false),
    /** Only say what would change. */
    dryRun: z.boolean().default(false),
  })
  .strict()
  .meta({ id: 'ApplyDocuments' });
export type ApplyDocuments = z.infer<typeof ApplyDocuments>;

export const DocumentChange = z
  .object({
    kind: z.enum(['Scheduling', 'ServerGroup', 'Storage', 'Repository', 'Server', 'Template', 'Plan']),
    name: z.string(),
    action: z.enum(['create', 'update', 'unchanged', 'delete']),
    /** Of an update: what was and what will be, secrets only as changed or not. */
    fields: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
  })
  .meta({ id: 'DocumentChange' });
export type DocumentChange = z.infer<typeof DocumentChange>;

export const AppliedDocuments = z.object({ dryRun: z.boolean(), changes: z.array(DocumentChange) }).meta({ id: 'AppliedDocuments' });
export type AppliedDocuments = z.infer<typeof AppliedDocuments>;

export const ExportedDocuments = z.object({ documents: z.array(z.record(z.string(), z.unknown())) }).meta({ id: 'ExportedDocuments' });
export type ExportedDocuments = z.infer<typeof ExportedDocuments>;

/** Between services: what the storage service has, and is to make, of these documents. */
export const KnownPlaces = z.object({
  storages: z.array(z.object({ id: z.string(), name: z.string(), settings: StorageSettings })),
  repositories: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      storage: z.string(),
      prefix: z.string(),
      /** When it was taken over from another installation. */
      attachedAt: z.iso.datetime().nullish(),
    }),
  ),
});
export type KnownPlaces = z.infer<typeof KnownPlaces>;
