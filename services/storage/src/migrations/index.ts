import { CreateStorage1763900000000 } from './0001-create-storage.js';
import { KeepStorageSecrets1764000000000 } from './0002-keep-storage-secrets.js';

export const storageMigrations = [CreateStorage1763900000000, KeepStorageSecrets1764000000000];
