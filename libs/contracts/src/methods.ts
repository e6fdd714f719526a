import { RahatError } from './rahat-error.js';
import type { BackupMethod, BackupType, Engine } from './labels.js';

/** What a connector declares of one of its methods; nothing else knows it. */
export interface MethodFacts {
  engine: Engine;
  /** One backup holds one database, or the whole server. */
  covers: 'database' | 'server';
  types: readonly BackupType[];
  /** The log between two backups can be kept, and replayed on the older one. */
  log: boolean;
}

export const METHODS: Record<BackupMethod, MethodFacts> = {
  'postgresql.logical': { engine: 'postgresql', covers: 'database', types: ['full'], log: false },
  'postgresql.physical': { engine: 'postgresql', covers: 'server', types: ['full', 'differential', 'incremental'], log: true },
};

export function assertTypeSupported(method: BackupMethod, type: BackupType): void {
  const { types } = METHODS[method];
  if (types.includes(type)) return;
  throw new RahatError('backup_type_unsupported', `${method} makes no ${type} backups`, { hint: `It makes: ${types.join(', ')}.` });
}
