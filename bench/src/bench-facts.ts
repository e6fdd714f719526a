import type { SnapshotFacts } from '@rahat/repository';

/** What a snapshot of made data says of its origin. */
export function benchFacts(): SnapshotFacts {
  return {
    run: 'run_bench',
    attempt: 1,
    organization: 'organization_bench',
    server: { id: 'server_bench', identity: 'bench', name: 'bench', version: '15' },
    database: { name: 'sample' },
    engine: 'postgresql',
    method: 'postgresql.logical',
    label: 'full',
    consistency: 'snapshot',
    positions: {},
    consistentAt: new Date().toISOString(),
    findings: [],
    tool: 'bench',
    evidence: {},
  };
}
