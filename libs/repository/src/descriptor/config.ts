import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { DEFAULT_CUT_SIZES } from '../chunking/classes.js';
import { CONFIG_NAME } from '../layout.js';
import { openSealedFile, sealFile, type SealedIdentity } from '../sealed-files/sealed-file.js';

/** The cutter's buffer holds two of the largest chunks. */
const MAX_CHUNK_BYTES = 1024 * 1024;
const CutSizesSchema = z
  .object({ min: z.number().int().min(64), average: z.number().int(), max: z.number().int().max(MAX_CHUNK_BYTES) })
  .refine(({ min, average, max }) => min <= average && average <= max, 'chunk sizes must rise from min to max');

/** Sealed file `config` (repository.md §3). */
const RepositoryConfig = z.object({
  /** The exact text of rahat.json, so that no byte of that plain file can be changed unseen. */
  descriptor: z.string(),
  packPublicKey: z.base64(),
  /** A pack is closed when its frames reach this. */
  packSizeBytes: z
    .number()
    .int()
    .min(1024 * 1024)
    .max(64 * 1024 * 1024),
  cutSizes: z.object({ rows: CutSizesSchema, pages: CutSizesSchema, log: CutSizesSchema, small: CutSizesSchema }),
});
export type RepositoryConfig = z.infer<typeof RepositoryConfig>;

const DEFAULT_PACK_SIZE = 32 * 1024 * 1024;

export function newConfig(descriptor: string, packPublicKey: Buffer): RepositoryConfig {
  return { descriptor, packPublicKey: packPublicKey.toString('base64'), packSizeBytes: DEFAULT_PACK_SIZE, cutSizes: DEFAULT_CUT_SIZES };
}

export function sealConfig(metadataKey: Buffer, repositoryId: Buffer, config: RepositoryConfig): Buffer {
  return sealFile(metadataKey, identity(repositoryId), Buffer.from(JSON.stringify(config)));
}

export function openConfig(metadataKey: Buffer, repositoryId: Buffer, file: Buffer): RepositoryConfig {
  const payload = openSealedFile(metadataKey, identity(repositoryId), file);
  const parsed = RepositoryConfig.safeParse(JSON.parse(payload.toString('utf8')));
  if (!parsed.success)
    throw new RahatError('repository_unsupported', 'The configuration of the repository cannot be understood.', { cause: parsed.error });
  return parsed.data;
}

function identity(repositoryId: Buffer): SealedIdentity {
  return { repositoryId, type: 'config', name: CONFIG_NAME };
}
