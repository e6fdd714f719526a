import { quoteIdentifier } from '../errors.js';
import { type CurableFinding, cured, setting } from './cured.js';
import { managedPhysicalFindings, type ManagedServer } from './managed-server.js';
import type { Rights } from './rights.js';

/** What a base backup needs. */
export function physicalFindings(rights: Rights, managed: ManagedServer | null): CurableFinding[] {
  if (managed) return managedPhysicalFindings(managed);
  const findings: CurableFinding[] = [];
  if (!rights.replication)
    findings.push(
      cured(
        { code: 'replication_right_missing', severity: 'blocker', message: 'The user may not start replication.' },
        { sql: `ALTER ROLE ${quoteIdentifier(rights.user)} REPLICATION;`, scope: 'server' },
        `and a line in pg_hba.conf: host replication ${quoteIdentifier(rights.user)} <worker>/32 scram-sha-256`,
      ),
    );
  if (rights.walLevel === 'minimal')
    findings.push(
      cured(
        { code: 'wal_level_minimal', severity: 'blocker', message: 'The server writes too little log for a base backup.' },
        setting('wal_level', 'replica', 'restart'),
      ),
    );
  if (rights.maxWalSenders === 0)
    findings.push(
      cured(
        { code: 'wal_senders_none', severity: 'blocker', message: 'The server allows no replication connection.' },
        setting('max_wal_senders', '10', 'restart'),
      ),
    );
  return findings;
}
