import type { SnapshotFacts } from '@rahat/repository';

/** What a source would have said of its backup; specs of the format don't look at it. */
export const FACTS: SnapshotFacts = {
  run: 'run_1',
  attempt: 1,
  organization: 'org_1',
  server: { id: 'server_1', identity: '7311', name: 'shop', version: '15.18' },
  database: { name: 'shop' },
  engine: 'postgresql',
  method: 'postgresql.logical',
  label: 'full',
  consistency: 'snapshot',
  positions: {},
  consistentAt: '2026-11-24T03:00:00.000Z',
  findings: [],
  tool: 'pg_dump 15.18',
  evidence: {},
};
