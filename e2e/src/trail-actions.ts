/** Called and proven beside the service, because a whole platform can't be brought to it on request. */
interface Elsewhere {
  action: string;
  provenIn: string;
}
/** Why a request that changes something leaves no entry. */
interface Unrecorded {
  none: string;
}
export type Declared = string | Elsewhere | Unrecorded;

/**
 * What each request leaves in the audit trail, by its operation in the OpenAPI document: everything that isn't a GET, and the GETs that
 * give data out. A new operation belongs into this list.
 */
export const TRAIL_ACTIONS: Record<string, Declared> = {
  api_keys_create: 'api_key.created',
  api_keys_revoke: 'api_key.revoked',
  audit_export: 'audit.exported',
  audit_retention_set: 'audit.retention_changed',
  audit_sign_head: { none: 'the signature says how the trail stands, and changes nothing in it' },
  backups_annotate: 'backup.annotated',
  backups_bring_back: 'backup.return_requested',
  backups_hold: 'backup.held',
  backups_release: 'backup.released',
  backups_remove: 'backup.removal_requested',
  backups_verify: 'backup.verification_started',
  catalog_rebuild: 'catalog.comparison_started',
  collections_run: 'collection.started',
  collections_update: 'collection.policy_changed',
  databases_discover: 'server.discovered',
  databases_update: 'database.updated',
  deadLetters_discard: { action: 'dead-letter.discarded', provenIn: 'services/scheduler/src/dead-letters/dead-letters.spec.ts' },
  deadLetters_retry: { action: 'dead-letter.retried', provenIn: 'services/scheduler/src/dead-letters/dead-letters.spec.ts' },
  // Each change is an entry of its own, as if it had been asked for alone.
  documents_apply: 'server_group.created',
  plans_confirm_retention: 'retention.confirmed',
  plans_create: 'plan.created',
  plans_delete: 'plan.deleted',
  plans_note: 'plan.annotated',
  plans_pause: 'plan.paused',
  plans_resume: 'plan.resumed',
  plans_run: 'plan.run_started',
  plans_update: 'plan.updated',
  repositories_create: 'repository.created',
  repositories_list_snapshots: 'repository.browsed',
  restore_plans_create: 'restore.planned',
  restores_run: 'restore.started',
  runs_annotate: 'run.annotated',
  runs_cancel: 'run.cancelled',
  runs_pause: 'run.paused',
  runs_resume: 'run.resumed',
  saved_searches_create: 'saved_search.created',
  saved_searches_remove: 'saved_search.removed',
  scheduling_put: 'scheduling.updated',
  server_groups_create: 'server_group.created',
  server_groups_delete: 'server_group.deleted',
  server_groups_update: 'server_group.updated',
  servers_create: 'server.created',
  servers_delete: 'server.deleted',
  servers_note: 'server.annotated',
  servers_test: 'server.tested',
  servers_try: { none: 'nothing is kept: it asks a server with what the request itself brings' },
  servers_update: 'server.updated',
  sessions_create: 'session.started',
  sessions_end: 'session.ended',
  sessions_refresh: { none: 'the session goes on; its start and its end are recorded, and a refresh token used twice is' },
  setup_create: 'owner.created',
  storages_create: 'storage.created',
  templates_create: 'template.created',
  templates_create_plan: 'plan.created',
  templates_delete: 'template.deleted',
  templates_update: 'template.updated',
};
