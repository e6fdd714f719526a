export { storageConfig as configSchema, type StorageConfig } from './config.js';
export { storageMigrations as migrations } from './migrations/index.js';
export { StorageModule } from './storage.module.js';
export { RepositoriesService } from './repositories/repositories.service.js';
export { StoragesService } from './storages/storages.service.js';
