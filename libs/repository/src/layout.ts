/** Names of the repository's files in the storage (docs/REPOSITORY_FORMAT.md, "Layout"). */
export const DESCRIPTOR_NAME = 'rahat.json';
export const CONFIG_NAME = 'config';
export const KEYS_PREFIX = 'keys/';
export const PACKS_PREFIX = 'packs/';
export const INDEX_PREFIX = 'index/';
export const SNAPSHOTS_PREFIX = 'snapshots/';
export const LOGS_PREFIX = 'logs/';
export const TRASH_PREFIX = 'trash/';
export const LEASES_PREFIX = 'leases/';
export const COLLECTIONS_PREFIX = 'collections/';

export const packName = (hash: string): string => `${PACKS_PREFIX}${hash.slice(0, 2)}/${hash}`;
export const packHash = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
export const indexName = (id: string): string => `${INDEX_PREFIX}${id}`;
export const snapshotName = (id: string): string => `${SNAPSHOTS_PREFIX}${id}`;
export const trashName = (id: string): string => `${TRASH_PREFIX}${id}`;
export const leaseName = (id: string): string => `${LEASES_PREFIX}${id}`;
/** Where repair sets damaged packs aside. */
export const damagedPackName = (hash: string): string => `damaged/${hash}`;
