import { CreateStorage1763900000000 } from './0001-create-storage.js';

export const storageMigrations = [CreateStorage1763900000000];
