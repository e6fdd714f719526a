import { z } from 'zod';
import { StorageConnection } from './storage-settings.js';

const KEY_BYTES = 32;
const Key = z.base64().refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES, `a key has ${KEY_BYTES} bytes`);

/** Writes into a repository and can't read what others wrote (repository.md §4); as a file and in a run spec the same. Keys are base64. */
export const WriteOnlyCredential = z.strictObject({
  format: z.literal('rahat-write-only-credential'),
  version: z.literal(1),
  /** Hex of the repository id. */
  repository: z.string().regex(/^[0-9a-f]{32}$/),
  identitySecret: Key,
  metadataKey: Key,
  packPublicKey: Key,
});
export type WriteOnlyCredential = z.infer<typeof WriteOnlyCredential>;

/** How far somebody may go in a repository: put backups into it, or also read what lies in it. */
export const RepositoryPower = z.enum(['write-only', 'read']);
export type RepositoryPower = z.infer<typeof RepositoryPower>;

/** What opens a repository for one attempt, with the power that its work needs and no more. */
export const RepositoryAccess = z.object({
  repositoryId: z.string(),
  storage: StorageConnection,
  prefix: z.string(),
  credential: z.discriminatedUnion('power', [
    z.strictObject({ power: z.literal('write-only'), writeOnly: WriteOnlyCredential }),
    z.strictObject({ power: z.literal('read'), masterKey: Key, identitySecret: Key }),
  ]),
});
export type RepositoryAccess = z.infer<typeof RepositoryAccess>;

/** What the scheduler hears of it: also which storage the repository lies on, for limits of runs at once. */
export const RepositoryGrant = RepositoryAccess.extend({ storageId: z.string() });
export type RepositoryGrant = z.infer<typeof RepositoryGrant>;

/** Asked by the scheduler at storage (`POST /internal/v1/repositories/{id}/grant`), which answers only its service principal. */
export const RepositoryGrantRequest = z.strictObject({ repository: z.string(), power: RepositoryPower });
