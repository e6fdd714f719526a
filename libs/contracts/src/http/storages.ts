import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { StorageConnection, StorageSettings } from '../storage-settings.js';
import { BackupLabel, BackupMethod, Engine } from '../labels.js';

/** A secret key is kept sealed and never given back. */
export const CreateStorage = z
  .object({ name: PlainText.trim().min(1).max(100), settings: StorageConnection })
  .strict()
  .meta({ id: 'CreateStorage' });
export type CreateStorage = z.infer<typeof CreateStorage>;

export const Storage = z
  .object({
    id: z.string(),
    name: z.string(),
    settings: StorageSettings,
    createdAt: z.iso.datetime(),
    freeBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
  })
  .meta({ id: 'Storage' });
export type Storage = z.infer<typeof Storage>;

const RepositoryPrefix = z.string().regex(/^[a-z0-9._-]{1,60}$/);

/** Absent passphrase = one is made and returned once. */
export const CreateRepository = z
  .object({
    name: PlainText.trim().min(1).max(100),
    storage: z.string(),
    prefix: RepositoryPrefix.optional(),
    passphrase: z.string().min(12).max(1024).optional(),
  })
  .strict()
  .meta({ id: 'CreateRepository' });
export type CreateRepository = z.infer<typeof CreateRepository>;

/** What a person holds; printed keys as they were typed. Nothing of it is kept. */
export const RepositoryWayIn = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('passphrase'), passphrase: z.string().min(1).max(1024) }).strict(),
    z.object({ type: z.literal('recovery'), recoveryKey: z.string().min(1).max(1024) }).strict(),
    z.object({ type: z.literal('shares'), shares: z.array(z.string().min(1).max(1024)).min(1).max(255) }).strict(),
  ])
  .meta({ id: 'RepositoryWayIn' });
export type RepositoryWayIn = z.infer<typeof RepositoryWayIn>;

/** `POST /api/v2/repositories/attach`: a repository that another installation made. */
export const AttachRepository = z
  .object({ name: PlainText.trim().min(1).max(100), storage: z.string(), prefix: RepositoryPrefix, wayIn: RepositoryWayIn })
  .strict()
  .meta({ id: 'AttachRepository' });
export type AttachRepository = z.infer<typeof AttachRepository>;

export const Repository = z
  .object({
    id: z.string(),
    name: z.string(),
    storage: z.string(),
    prefix: z.string(),
    /** Empty for whoever is limited to server groups: they know repositories by name alone. */
    location: z.string(),
    repositoryId: z.string(),
    createdAt: z.iso.datetime(),
    /** When it was taken over from another installation; what it held by then may enter the catalog, whoever made it. */
    attachedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Repository' });
export type Repository = z.infer<typeof Repository>;
export const CreatedRepository = Repository.extend({ passphrase: z.string().nullable() }).meta({ id: 'CreatedRepository' });
export type CreatedRepository = z.infer<typeof CreatedRepository>;

export const AttachedRepository = Repository.extend({
  snapshots: z.number().int(),
  /** Of the newest snapshots those that can't be read. */
  unreadable: z.array(z.object({ snapshot: z.string(), message: z.string() })),
  /** Who works in it at this moment. */
  sessions: z.array(
    z.object({ kind: z.enum(['writer', 'reader', 'collector', 'unknown']), holder: z.string(), beganAt: z.iso.datetime() }),
  ),
  /** Who made the newest snapshots. */
  writers: z.array(z.object({ writer: z.string(), organization: z.string(), lastAt: z.iso.datetime() })),
}).meta({ id: 'AttachedRepository' });
export type AttachedRepository = z.infer<typeof AttachedRepository>;

/** One committed snapshot as the repository itself tells it, without the catalog. */
export const RepositorySnapshot = z
  .discriminatedUnion('readable', [
    z.object({
      readable: z.literal(true),
      id: z.string(),
      createdAt: z.iso.datetime(),
      consistentAt: z.iso.datetime(),
      serverName: z.string(),
      databaseName: z.string().nullable(),
      engine: Engine,
      method: BackupMethod,
      label: BackupLabel,
      /** Snapshot that this one is restored upon; null = it stands alone. */
      parent: z.string().nullable(),
      objects: z.number().int(),
      sizeBytes: z.number(),
      addedBytes: z.number(),
      run: z.string(),
    }),
    z.object({ readable: z.literal(false), id: z.string(), error: z.object({ code: z.string(), message: z.string() }) }),
  ])
  .meta({ id: 'RepositorySnapshot' });
export type RepositorySnapshot = z.infer<typeof RepositorySnapshot>;
