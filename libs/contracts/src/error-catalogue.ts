interface ErrorEntry {
  /** HTTP status when the error reaches a client. */
  status: number;
  title: string;
  retryable: boolean;
  hint?: string;
}

/** Every stable error code of the product (style.md §3.5). Codes are never renamed once released. */
export const ERROR_CATALOGUE = {
  internal: entry(500, 'Something went wrong inside Rahat Backup', false, 'See the log of this request; report it with the request id.'),
  invalid_input: entry(422, 'The request is not valid', false),
  malformed_request: entry(400, 'The request cannot be understood', false),
  method_not_allowed: entry(405, 'This path has no such method', false, 'The header Allow names the methods that it has.'),
  request_timeout: entry(408, 'The request did not arrive in time', true),
  payload_too_large: entry(413, 'The request is too large', false),
  unsupported_media_type: entry(
    415,
    'The body is of a type that is not understood',
    false,
    'Send JSON with "Content-Type: application/json".',
  ),
  headers_too_large: entry(431, 'The headers of the request are too large', false),
  idempotency_key_reused: entry(
    422,
    'This Idempotency-Key belongs to another request',
    false,
    'Use a new key for each request, and the same key only to repeat it unchanged.',
  ),
  idempotency_in_flight: entry(409, 'The same request is under way', true, 'Repeat it in a moment to get its answer.'),
  idempotency_answer_not_kept: entry(
    409,
    'This request was made before, and its answer was not kept',
    false,
    'Answers with a secret are given once; look at what was made, or use a new key.',
  ),
  unauthenticated: entry(401, 'Authentication is needed', false, 'Log in, or send a valid API key.'),
  second_factor_refused: entry(
    401,
    'The second factor is wrong',
    false,
    'Use the code that the app shows now, a recovery code, or a passkey.',
  ),
  challenge_ended: entry(401, 'This log-in has to begin again', false, 'Log in again: a second factor is waited for five minutes.'),
  fresh_proof_needed: entry(
    403,
    'This needs a proof of who you are that is not older than ten minutes',
    false,
    'Prove it again with POST /api/v2/me/proof, or log in anew.',
  ),
  second_factor_required: entry(
    403,
    'The organization requires a second factor',
    false,
    'Add an authenticator app or a passkey to your account; until then nothing else is open to you.',
  ),
  authorization_pending: entry(400, 'Nobody has approved this log-in yet', true),
  slow_down: entry(400, 'This log-in is asked for too often', true, 'Wait five seconds longer between two questions.'),
  device_login_expired: entry(400, 'This log-in was not approved in time, or its tokens were taken already', false, 'Begin it again.'),
  device_login_denied: entry(403, 'This log-in was denied', false),
  sign_on_failed: entry(401, 'The log-in at the identity provider did not succeed', false, 'Begin it again, or log in with a password.'),
  forbidden: entry(403, 'This is not allowed for you', false),
  not_found: entry(404, 'Not found', false),
  conflict: entry(409, 'The request conflicts with the current state', false),
  precondition_failed: entry(412, 'The resource changed in the meantime', false, 'Load it again and repeat the change.'),
  rate_limited: entry(429, 'Too many requests', true),
  unavailable: entry(503, 'A part of Rahat Backup is not reachable', true),
  overloaded: entry(
    503,
    'More is asked for than can be answered in time',
    true,
    'Nothing was done. Try again after the seconds that the header Retry-After tells; if it stays so, fewer clients or more gateways and services help.',
  ),
  configuration_invalid: entry(500, 'The configuration is not valid', false),
  setup_required: entry(409, 'Rahat Backup has no owner yet', false, 'Open the set-up URL that the start printed.'),
  setup_token_invalid: entry(403, 'The set-up token is wrong, used or expired', false, 'Restart Rahat Backup to get a new one.'),
  password_refused: entry(422, 'The password is too easy to guess', false, 'Take a longer one: some words that do not belong together.'),
  link_invalid: entry(403, 'The link is wrong, used or expired', false, 'Ask the one who sent it for a new one.'),
  last_owner: entry(409, 'An organization needs an owner', false, 'Make somebody else an owner first.'),

  cancelled: entry(409, 'The work was cancelled', false),
  deadline_exceeded: entry(504, 'The work took longer than allowed', true),
  pause_expired: entry(
    409,
    'The source could not be kept waiting any longer',
    true,
    'A running dump holds its snapshot on the database server; it starts anew when the run is resumed.',
  ),
  worker_lost: entry(503, 'The worker that ran this died', true),
  message_invalid: entry(500, 'A message could not be understood', false),

  blob_not_found: entry(404, 'A file is missing in the storage', false),
  blob_exists: entry(409, 'A file exists already in the storage', false),
  storage_unreachable: entry(503, 'The storage cannot be reached', true),
  storage_permission_denied: entry(403, 'The storage refused access', false),
  storage_busy: entry(503, 'The storage asks to slow down', true),
  storage_login_refused: entry(403, 'The storage refused the key', false, 'Check the access key, its secret and the region.'),
  storage_not_found: entry(404, 'The place in the storage does not exist', false),
  storage_clock_differs: entry(
    503,
    'The clocks of this machine and of the storage differ too much',
    true,
    'Synchronise the clock of this machine (NTP).',
  ),
  storage_locked: entry(409, 'A file in the storage is locked against removal', false),
  storage_full: entry(507, 'The storage is full', true, 'Free space or enlarge the storage; nothing that was stored before is affected.'),

  scratch_full: entry(507, 'The scratch folder of the worker is full', false, 'Give the scratch folder more room.'),

  repository_not_found: entry(404, 'There is no repository at this place', false),
  repository_exists: entry(409, 'There is a repository at this place already', false),
  repository_wrong_passphrase: entry(
    403,
    'The passphrase does not open this repository',
    false,
    'Check the passphrase; the repository was not changed.',
  ),
  repository_wrong_key: entry(403, 'The key does not open this repository', false, 'Check the key; the repository was not changed.'),
  recovery_key_mistyped: entry(
    422,
    'The recovery key or share was not typed as it was printed',
    false,
    'Compare the groups that are named with the print; upper and lower case and separators do not matter.',
  ),
  master_key_needed: entry(
    403,
    'A write-only credential cannot do this',
    false,
    'Open the repository with its passphrase, its recovery key or shares of it.',
  ),
  repository_unsupported: entry(409, 'This repository needs a newer version', false, 'Update Rahat Backup.'),
  repository_damaged: entry(500, 'A file of the repository is damaged', false, 'Run a check of the repository to see what is affected.'),
  repository_chunk_missing: entry(
    500,
    'A chunk is missing in the repository',
    false,
    'Run a check of the repository to see what is affected.',
  ),
  snapshot_not_found: entry(404, 'There is no such snapshot', false),
  lease_lost: entry(503, 'The session lost its lease', true),

  source_unreachable: entry(502, 'The database server cannot be reached', true),
  source_authentication_failed: entry(
    502,
    'The database server refused the login',
    false,
    'Check the user name and the password of the server.',
  ),
  source_permission_denied: entry(502, 'The database user lacks a right', false),
  source_lost: entry(502, 'The connection to the database server broke', true),
  source_yielded: entry(
    503,
    'The backup gave way to a change on the database server',
    true,
    'It is tried again by itself. Choose a time without changes of tables, or a physical method, which holds no locks.',
  ),
  source_overloaded: entry(
    503,
    'The database server had no room for the backup for too long',
    true,
    'Look at what kept the source beyond its bounds, choose another time, or raise the bounds of the plan.',
  ),
  replica_unfit: entry(
    502,
    'No standby can be backed up from',
    true,
    'Cure the standby, or let the plan fall back to the primary with "prefer-replica".',
  ),
  source_unsupported: entry(422, 'This database server is not supported', false),
  database_not_found: entry(404, 'There is no such database on the server', false),
  preflight_blocked: entry(422, 'The backup would not be complete', false),
  backup_type_unsupported: entry(422, 'The method cannot make backups of this type', false),
  hook_failed: entry(502, 'A hook failed', true),
  outgoing_refused: entry(422, 'This address may not be called', false),
  cloud_refused: entry(502, 'The cloud provider refuses to tell', false),
  cloud_unreachable: entry(502, 'The cloud provider cannot be asked', true),
  tool_missing: entry(424, 'A client tool is missing on the worker', false),
  tool_failed: entry(502, 'A client tool failed', true),
  dump_truncated: entry(502, 'The dump is not complete', true),
  dump_invalid: entry(502, 'The dump cannot be understood', false),

  log_gap: entry(
    409,
    'The log of the server is not whole',
    false,
    'A new base backup is made by itself; recovery is possible up to the gap and after the base.',
  ),
  recovery_target_unreachable: entry(
    422,
    'The log does not reach this point in time',
    false,
    'See GET /api/v2/servers/{id}/windows for what can be recovered.',
  ),
  log_slot_in_use: entry(409, 'Another client uses the replication slot', true),
  restore_plan_stale: entry(409, 'The restore plan is no longer true', false, 'Make a new restore plan and check it.'),
  restore_target_exists: entry(409, 'The target of the restore exists already', false),
  restore_selection_empty: entry(422, 'The restore selects nothing', false),
  restore_mismatch: entry(
    500,
    'The restored data differs from the backup',
    false,
    'The staged copy was kept aside and nothing was swapped in.',
  ),
  assertion_failed: entry(
    500,
    'The restored data is not as the plan says it must be',
    false,
    'The backup restores exactly; look at what it holds.',
  ),
  restore_failed: entry(500, 'The restore failed', false),
  restore_locked: entry(
    503,
    'A table of the restore is in use',
    true,
    'Another session holds a lock on it; nothing was changed. Run it again when that session has ended.',
  ),
  restore_refused: entry(409, 'The restore would change more than it was told to', false),
  undo_refused: entry(409, 'The undo would take back later changes', false),
  safety_copy_not_found: entry(404, 'There is no such safety copy', false),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

function entry(status: number, title: string, retryable: boolean, hint?: string): ErrorEntry {
  return { status, title, retryable, hint };
}
