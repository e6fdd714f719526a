import { enableRowSecurity, letSystemRoleSearch } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

const SEARCHED = ['servers', 'plans', 'runs', 'backups'];

/** Tags and notes on runs and backups, words to search by, and an index for each list and filter. */
export class SearchTheCatalog1764310000000 implements MigrationInterface {
  readonly name = 'SearchTheCatalog1764310000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of SEARCHED) await runner.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
    for (const statements of [WORDS, SERVERS_AND_PLANS, RUNS, BACKUPS, SAVED]) await runner.query(statements);
    for (const table of SEARCHED) await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
    await runner.query(letSystemRoleSearch('scheduler', SEARCHED));
    await runner.query(enableRowSecurity('scheduler', 'saved_searches'));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}

const WORDS = `
  -- Letters and digits make words, as they do in a search (search-words.ts); whatever is not ASCII is a letter.
  CREATE FUNCTION search_words(VARIADIC texts text[]) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('simple', regexp_replace(array_to_string(texts, ' '), '[\\u0001-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u007f]+', ' ', 'g')) $$;
  CREATE FUNCTION joined_tags(tags text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT array_to_string(tags, ' ') $$;
`;

const SERVERS_AND_PLANS = `
  ALTER TABLE servers
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN search tsvector GENERATED ALWAYS AS (search_words(name, address->>'host', engine, version, joined_tags(tags), note)) STORED;
  ALTER TABLE plans
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN search tsvector GENERATED ALWAYS AS (search_words(name, method, joined_tags(tags), note)) STORED;
  CREATE INDEX servers_search ON servers USING gin (search) WHERE deleted_at IS NULL;
  CREATE INDEX servers_list ON servers (organization_id, id DESC) WHERE deleted_at IS NULL;
  CREATE INDEX plans_search ON plans USING gin (search) WHERE deleted_at IS NULL;
  CREATE INDEX plans_list ON plans (organization_id, id DESC) WHERE deleted_at IS NULL;
  CREATE INDEX plans_server_ids ON plans USING gin (server_ids);
  CREATE INDEX plans_server_groups ON plans USING gin (server_groups);
`;

const RUNS = `
  ALTER TABLE runs
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN note text NOT NULL DEFAULT '',
    -- Of server and plan, as they were called when the run was made.
    ADD COLUMN names text NOT NULL DEFAULT '';
  UPDATE runs SET names = concat_ws(' ', (SELECT name FROM servers WHERE servers.id = runs.server_id), (SELECT name FROM plans WHERE plans.id = runs.plan_id));
  ALTER TABLE runs
    ADD COLUMN search tsvector GENERATED ALWAYS AS
      (search_words(substr(id, 5), type, names, database_name, error->>'code', error->>'message', joined_tags(tags), note)) STORED;
  -- What is only expected is the future: it is listed by its state alone, and would fill every other index.
  CREATE INDEX runs_search ON runs USING gin (search) WHERE state <> 'expected';
  CREATE INDEX runs_tags ON runs USING gin (tag_terms(tags)) WHERE tags <> '{}';
  DROP INDEX runs_list;
  CREATE INDEX runs_list ON runs (organization_id, due_at DESC, id DESC) WHERE state <> 'expected';
  CREATE INDEX runs_by_state ON runs (organization_id, state, due_at DESC, id DESC);
  CREATE INDEX runs_by_type ON runs (organization_id, type, due_at DESC, id DESC) WHERE state <> 'expected';
  CREATE INDEX runs_by_server ON runs (server_id, due_at DESC, id DESC) WHERE state <> 'expected';
  CREATE INDEX runs_by_plan ON runs (plan_id, due_at DESC, id DESC) WHERE state <> 'expected';
  CREATE INDEX runs_by_database ON runs (database_id, due_at DESC, id DESC) WHERE state <> 'expected';
  CREATE INDEX runs_by_repository ON runs (repository_id, due_at DESC, id DESC) WHERE state <> 'expected';
`;

const BACKUPS = `
  ALTER TABLE backups
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN names text NOT NULL DEFAULT '';
  UPDATE backups SET names = concat_ws(' ', (SELECT name FROM servers WHERE servers.id = backups.server_id), (SELECT name FROM plans WHERE plans.id = backups.plan_id));
  ALTER TABLE backups
    ADD COLUMN search tsvector GENERATED ALWAYS AS (search_words(substr(id, 8), snapshot, names, database_name, joined_tags(tags), note)) STORED;
  CREATE INDEX backups_search ON backups USING gin (search);
  CREATE INDEX backups_tags ON backups USING gin (tag_terms(tags)) WHERE tags <> '{}';
  -- Removed ones stay as history, and must not be waded through to find those that are there.
  CREATE INDEX backups_there ON backups (organization_id, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_server ON backups (server_id, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_database ON backups (database_id, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_plan ON backups (plan_id, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_repository ON backups (repository_id, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_proof ON backups (organization_id, proof, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_state ON backups (organization_id, state, id DESC) WHERE removed_at IS NULL;
  CREATE INDEX backups_by_type ON backups (organization_id, backup_type, id DESC) WHERE removed_at IS NULL;
`;

const SAVED = `
  CREATE TABLE saved_searches (
    id              text PRIMARY KEY,
    organization_id text NOT NULL,
    name            text NOT NULL,
    list            text NOT NULL CHECK (list IN ('servers', 'plans', 'runs', 'backups')),
    query           jsonb NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
  );
  CREATE UNIQUE INDEX saved_searches_name ON saved_searches (organization_id, lower(name));
`;
