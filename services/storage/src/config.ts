import path from 'node:path';
import { z } from 'zod';

/** The environment of the storage service. */
export const storageConfig = z.object({
  /** The platform's own data folder: no storage may lie in it, except in its `backups` folder. */
  RAHAT_DATA_FOLDER: z
    .string()
    .transform((folder) => path.resolve(folder))
    .optional(),
});
export type StorageConfig = z.infer<typeof storageConfig>;
