import type { SnapshotFacts } from '@rahat/repository';

/** What a source would have said of its backup; this service doesn't look at it. */
export const FACTS: SnapshotFacts = {
  run: 'run_1',
  attempt: 1,
  organization: 'organization_before',
  server: { id: 'server_1', identity: 'i', name: 'shop server', version: '18' },
  database: { name: 'shop' },
  engine: 'postgresql',
  method: 'postgresql.logical',
  label: 'full',
  consistency: 'snapshot',
  positions: {},
  consistentAt: '2026-11-24T00:00:00.000Z',
  findings: [],
  tool: 'test',
  evidence: {},
};
