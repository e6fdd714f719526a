import { enableRowSecurity } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is shown live, for as long as a reader may have been away. */
export class KeepLiveEvents1764430100000 implements MigrationInterface {
  readonly name = 'KeepLiveEvents1764430100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE live_events (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization_id text NOT NULL,
        xid             bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
        type            text NOT NULL,
        data            json NOT NULL,
        at              timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX live_events_of_organization ON live_events (organization_id, xid, id);
      CREATE INDEX live_events_at ON live_events (at);
    `);
    await runner.query(enableRowSecurity('scheduler', 'live_events'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE live_events`);
  }
}
