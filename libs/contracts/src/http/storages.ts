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

/** Absent passphrase = one is made and returned once. */
export const CreateRepository = z
  .object({
    name: PlainText.trim().min(1).max(100),
    storage: z.string(),
    prefix: z
      .string()
      .regex(/^[a-z0-9._-]{1,60}$/)
      .optional(),
    passphrase: z.string().min(12).max(1024).optional(),
  })
  .strict()
  .meta({ id: 'CreateRepository' });
export type CreateRepository = z.infer<typeof CreateRepository>;

export const Repository = z
  .object({
    id: z.string(),
    name: z.string(),
    storage: z.string(),
    prefix: z.string(),
    location: z.string(),
    repositoryId: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Repository' });
export type Repository = z.infer<typeof Repository>;
export const CreatedRepository = Repository.extend({ passphrase: z.string().nullable() }).meta({ id: 'CreatedRepository' });
export type CreatedRepository = z.infer<typeof CreatedRepository>;

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
      objects: z.number().int(),
      sizeBytes: z.number(),
      addedBytes: z.number(),
      run: z.string(),
    }),
    z.object({ readable: z.literal(false), id: z.string(), error: z.object({ code: z.string(), message: z.string() }) }),
  ])
  .meta({ id: 'RepositorySnapshot' });
export type RepositorySnapshot = z.infer<typeof RepositorySnapshot>;
