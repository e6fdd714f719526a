import { keepSentMessages } from '@rahat/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class KeepSentMessages1764240000000 implements MigrationInterface {
  readonly name = 'KeepSentMessages1764240000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(keepSentMessages('scheduler'));
  }

  async down(): Promise<void> {
    throw new Error('Restore the metadata database instead of undoing this migration.');
  }
}
