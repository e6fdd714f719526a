import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a plan may ask of its source, and the standbys that it may read instead. */
export class SpareTheSource1764620000000 implements MigrationInterface {
  readonly name = 'SpareTheSource1764620000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE servers ADD COLUMN standbys jsonb NOT NULL DEFAULT '[]';
      ALTER TABLE plans ADD COLUMN source jsonb NOT NULL DEFAULT '{"from": "primary", "lagSeconds": 60}',
        ADD COLUMN source_limits jsonb NOT NULL DEFAULT '{"bytesPerSecond": null, "runsAtOnce": null, "replicaLagSeconds": null, "replicaLagBytes": null,
          "transactionSeconds": null, "lockWaits": null, "ioWaitShare": null, "yieldSeconds": null}';
    `);
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
