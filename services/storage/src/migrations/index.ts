import { CreateStorage1763900000000 } from './0001-create-storage.js';
import { KeepStorageSecrets1764000000000 } from './0002-keep-storage-secrets.js';
import { KeepSentMessages1764240000000 } from './0003-keep-sent-messages.js';
import { AttachRepositories1764450000000 } from './0004-attach-repositories.js';

export const storageMigrations = [
  CreateStorage1763900000000,
  KeepStorageSecrets1764000000000,
  KeepSentMessages1764240000000,
  AttachRepositories1764450000000,
];
