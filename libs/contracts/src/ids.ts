import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';

/** Prefixed UUIDv7 ids (design.md §4): sortable by time, readable by prefix. */
const PREFIXES = {
  organization: 'org',
  user: 'user',
  session: 'session',
  apiKey: 'key',
  passkey: 'passkey',
  signOnProvider: 'signon',
  invitation: 'invitation',
  passwordReset: 'reset',
  server: 'server',
  serverGroup: 'group',
  database: 'database',
  storage: 'storage',
  repository: 'repository',
  plan: 'plan',
  schedule: 'schedule',
  template: 'template',
  logStream: 'stream',
  run: 'run',
  backup: 'backup',
  restorePlan: 'restoreplan',
  managedSnapshot: 'managedsnapshot',
  savedSearch: 'search',
  message: 'message',
  request: 'request',
  auditEntry: 'audit',
} as const;

export type IdKind = keyof typeof PREFIXES;
export type Id<K extends IdKind> = string & { readonly __id: K };

export function newId<K extends IdKind>(kind: K): Id<K> {
  return `${PREFIXES[kind]}_${uuidv7().replaceAll('-', '')}` as Id<K>;
}

/** The smallest id that a thing of this moment can have, and so the place of a time in a list that is sorted by id. */
export function firstIdAt(kind: IdKind, time: Date): string {
  return `${PREFIXES[kind]}_${Math.max(0, time.getTime()).toString(16).padStart(12, '0')}${'0'.repeat(20)}`;
}

/** Of a thing that is older than its record. */
export function newIdAt<K extends IdKind>(kind: K, time: Date): Id<K> {
  return `${PREFIXES[kind]}_${uuidv7({ msecs: Math.max(0, time.getTime()) }).replaceAll('-', '')}` as Id<K>;
}

/** zod schema of an id of one kind: prefix, underscore, 32 hex digits. */
export function idSchema<K extends IdKind>(kind: K) {
  return z
    .string()
    .regex(new RegExp(`^${PREFIXES[kind]}_[0-9a-f]{32}$`), `expected an id that starts with ${PREFIXES[kind]}_`)
    .transform((value) => value as Id<K>);
}
