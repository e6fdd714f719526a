import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

const READ_BY_MARKING = ['backups', 'runs'];

/** What status and metrics tell of each line of backups in one narrow row, and marks of the lines whose row is behind. */
export class KeepProtections1764330000000 implements MigrationInterface {
  readonly name = 'KeepProtections1764330000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statements of [TABLES, INDEXES, MARKS_OF_BACKUPS, MARKS_OF_RUNS]) await runner.query(statements);
    // The owner obeys row security, too, and would find no line to mark.
    for (const table of READ_BY_MARKING) await runner.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
    await runner.query(EXISTING_LINES);
    for (const table of READ_BY_MARKING) await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    for (const table of ['protections', 'protection_marks']) await runner.query(enableRowSecurity('scheduler', table));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}

const TABLES = `
  -- One row for each line: a database (or a whole server: '') under a plan (or under none: ''). Without foreign keys: who settles it
  -- waits for nobody who changes a server or a plan.
  CREATE TABLE protections (
    organization_id text NOT NULL,
    server_id       text NOT NULL,
    plan_id         text NOT NULL,
    database_id     text NOT NULL,
    -- Whole, undamaged backups that are there, and what the newest of them is.
    backups         integer NOT NULL,
    newest_at       timestamptz,
    newest_consistent_at timestamptz,
    newest_proof    text,
    last_proven_at  timestamptz,
    database_name   text,
    size_bytes      bigint,
    added_bytes     bigint,
    -- Of the newest one, damaged or not.
    newest_damaged  boolean NOT NULL,
    verification_error jsonb,
    -- Backup runs since the last good one that are none.
    failures        integer NOT NULL,
    last_error      jsonb,
    last_reasons    jsonb,
    -- True for moments from looked_at to next_at.
    looked_at       timestamptz NOT NULL,
    next_at         timestamptz,
    -- Scheduled times one after the other: the last that was overdue when somebody looked, and the two that follow.
    due_before      timestamptz,
    due_then        timestamptz,
    due_after       timestamptz,
    PRIMARY KEY (organization_id, server_id, plan_id, database_id)
  );

  -- Lines that changed since their row was written. Only appended to by whoever changes something, so that nobody waits for another.
  CREATE TABLE protection_marks (
    organization_id text NOT NULL,
    server_id       text NOT NULL,
    plan_id         text NOT NULL,
    database_id     text NOT NULL
  );
  CREATE INDEX protection_marks_line ON protection_marks (organization_id, server_id, plan_id, database_id);
`;

const INDEXES = `
  CREATE INDEX backups_live ON backups (server_id, plan_id, database_id, created_at, id) INCLUDE (proof, consistent_at, proven_at)
    WHERE state = 'succeeded' AND removal_requested_at IS NULL AND missing_since IS NULL;
  CREATE INDEX runs_good ON runs (plan_id, server_id, database_id, finished_at) WHERE type = 'backup' AND state = 'succeeded';
  CREATE INDEX runs_bad ON runs (plan_id, server_id, database_id, finished_at) WHERE type = 'backup' AND state IN ('failed', 'partial', 'missed');
  CREATE INDEX runs_scheduled ON runs (plan_id, server_id, database_id, due_at) INCLUDE (state)
    WHERE type = 'backup' AND cause = 'schedule' AND state <> 'skipped';
`;

const MARK = 'INSERT INTO scheduler.protection_marks (organization_id, server_id, plan_id, database_id)';
const lineOf = (row: string) => `${row}.organization_id, ${row}.server_id, COALESCE(${row}.plan_id, ''), COALESCE(${row}.database_id, '')`;
const isLive = (row: string) => `(${row}.state = 'succeeded' AND ${row}.removal_requested_at IS NULL AND ${row}.missing_since IS NULL)`;

/*
 * Rows are made and deleted by thousands, of few lines: these are marked by statement. Updates are marked row by row, because only so can
 * a trigger have a condition: signs of life, progress and reasons of retention cost nothing, and no plan that was made for one row joins
 * ten thousand with ten thousand.
 */
const markMadeAndDeleted = (table: string) => `
  CREATE TRIGGER ${table}_made AFTER INSERT ON ${table} REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_lines_of_${table}();
  CREATE TRIGGER ${table}_deleted AFTER DELETE ON ${table} REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_lines_of_${table}();
`;
const differ = (facts: (row: string) => string) => `((${facts('OLD')}) IS DISTINCT FROM (${facts('NEW')}))`;
const triggerFunction = (name: string, statement: string) =>
  `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${statement}; RETURN NULL; END $$;`;

const MARKS_OF_BACKUPS = `
  ${triggerFunction('mark_lines_of_backups', `${MARK} SELECT DISTINCT ${lineOf('changed')} FROM changed WHERE ${isLive('changed')}`)}
  ${markMadeAndDeleted('backups')}
  ${triggerFunction('mark_line', `${MARK} SELECT ${lineOf('OLD')} UNION SELECT ${lineOf('NEW')}`)}
  CREATE TRIGGER backups_changed
    AFTER UPDATE OF organization_id, server_id, plan_id, database_id, database_name, state, removal_requested_at, missing_since, proof,
      created_at, consistent_at, proven_at, size_bytes, added_bytes ON backups FOR EACH ROW
    WHEN ${differ(
      (
        row,
      ) => `${lineOf(row)}, ${isLive(row)}, ${row}.database_name, ${row}.proof, ${row}.created_at, ${row}.consistent_at, ${row}.proven_at,
        ${row}.size_bytes, ${row}.added_bytes`,
    )}
    EXECUTE FUNCTION mark_line();
`;

const MARKS_OF_RUNS = `
  ${triggerFunction(
    'mark_lines_of_runs',
    `${MARK}
      SELECT DISTINCT ${lineOf('changed')} FROM changed
        WHERE type = 'backup' AND plan_id IS NOT NULL AND (cause = 'schedule' OR finished_at IS NOT NULL)
      UNION SELECT ${lineOf('verified')} FROM changed
        CROSS JOIN LATERAL (SELECT * FROM scheduler.backups WHERE backups.id = changed.backup_id LIMIT 1) AS verified
        WHERE changed.type = 'verification' AND changed.finished_at IS NOT NULL`,
  )}
  ${markMadeAndDeleted('runs')}
  CREATE TRIGGER runs_changed
    AFTER UPDATE OF organization_id, server_id, plan_id, database_id, type, cause, state, due_at, finished_at, error, reasons ON runs FOR EACH ROW
    WHEN ((OLD.type = 'backup' OR NEW.type = 'backup') AND (
      ${differ(
        (row) => `${lineOf(row)}, ${row}.type, ${row}.cause, ${row}.due_at, ${row}.finished_at,
          CASE WHEN ${row}.state IN ('due', 'queued', 'running') THEN 'begun' ELSE ${row}.state END`,
      )}
      OR (NEW.finished_at IS NOT NULL AND ${differ((row) => `${row}.error, ${row}.reasons`)})))
    EXECUTE FUNCTION mark_line();

  ${triggerFunction(
    'mark_line_of_verified',
    `${MARK} SELECT DISTINCT ${lineOf('verified')} FROM scheduler.backups AS verified WHERE verified.id IN (OLD.backup_id, NEW.backup_id)`,
  )}
  CREATE TRIGGER runs_verified AFTER UPDATE OF type, state, backup_id, finished_at, error ON runs FOR EACH ROW
    WHEN ((OLD.type = 'verification' OR NEW.type = 'verification') AND (OLD.finished_at IS NOT NULL OR NEW.finished_at IS NOT NULL)
      AND ${differ((row) => `${row}.type, ${row}.state, ${row}.backup_id, ${row}.finished_at, ${row}.error`)})
    EXECUTE FUNCTION mark_line_of_verified();
`;

const EXISTING_LINES = `
  ${MARK}
    SELECT ${lineOf('backups')} FROM backups UNION SELECT ${lineOf('runs')} FROM runs WHERE type = 'backup' AND plan_id IS NOT NULL;
`;
