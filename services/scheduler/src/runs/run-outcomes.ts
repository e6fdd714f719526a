import {
  newId,
  typeOfLabel,
  type BackupEvidence,
  type BackupMethod,
  type CollectionEvidence,
  type Finding,
  type RebuildEvidence,
} from '@rahat/contracts';
import type { Outbox } from '@rahat/messaging';
import type { Transaction } from '@rahat/persistence';
import type { BackupRow } from '../backups/backups.table.js';
import type { Clock } from '../clock/clock.js';
import { logPlaceOf } from '../log-streams/log-place.js';
import type { LogStreams } from '../log-streams/log-streams.js';
import { settleRestore } from '../restores/settle-restore.js';
import { recordIdentity } from '../servers/servers.table.js';
import { recordOwnAct } from '../trail/trail.js';
import { recordPurged } from '../trash/trash.table.js';
import { proofAfter } from '../verification/proof.js';
import type { VerificationChain } from '../verification/verification-chain.js';
import type { Judgement } from './judgement.js';
import type { RunRow } from './runs.table.js';

/** Only collections and rebuilds are without a server and a method. */
type BackupRun = RunRow & { server_id: string; method: BackupMethod };

/** What a closed run changes beside itself, in the transaction that closes it. */
export class RunOutcomes {
  constructor(
    private readonly outbox: Outbox,
    private readonly verification: VerificationChain,
    private readonly streams: LogStreams,
    private readonly clock: Clock,
  ) {}

  async follow(transaction: Transaction, run: RunRow, judgement: Judgement): Promise<void> {
    switch (run.type) {
      case 'backup':
        if (judgement.state === 'succeeded' || judgement.state === 'partial')
          await this.recordBackup(transaction, run as BackupRun, run.evidence as BackupEvidence, judgement.state);
        return;
      case 'verification':
        await this.recordProof(transaction, run, judgement);
        return;
      case 'restore':
        await settleRestore(this.outbox, transaction, run, { judgement, now: this.clock.now() });
        return;
      case 'comparison':
        await recordOwnAct(this.outbox, transaction, run.organization_id, {
          action: `comparison.${judgement.state}`,
          target: { kind: 'run', id: run.id },
          details: { backup: run.backup_id, with: run.compared_with, reasons: judgement.reasons },
        });
        return;
      case 'rebuild':
        if (run.evidence) await this.recordRebuild(transaction, run, run.evidence as RebuildEvidence);
        return;
      case 'follow':
        await this.streams.ended(transaction, run, judgement);
        return;
      case 'collection':
        if (run.evidence) await this.recordCollection(transaction, run, run.evidence as CollectionEvidence);
        return;
    }
  }

  /** What left the trash can't be brought back any more. */
  private async recordCollection(transaction: Transaction, run: RunRow, evidence: CollectionEvidence): Promise<void> {
    await recordPurged(transaction, run.repository_id, evidence.purgedSnapshots, this.clock.now());
    await recordOwnAct(this.outbox, transaction, run.organization_id, {
      action: 'repository.collected',
      target: { kind: 'repository', id: run.repository_id },
      details: { run: run.id, freedBytes: evidence.deleted.bytes, packs: evidence.deleted.packs, purged: evidence.purged },
    });
  }

  private async recordRebuild(transaction: Transaction, run: RunRow, { dryRun, found, outcomes, missing }: RebuildEvidence): Promise<void> {
    await recordOwnAct(this.outbox, transaction, run.organization_id, {
      action: dryRun ? 'catalog.compared' : 'catalog.rebuilt',
      target: { kind: 'repository', id: run.repository_id },
      details: { run: run.id, found, ...outcomes, missing: missing.count },
    });
  }

  /** The catalog knows a backup only from here: after its attempt was accepted. */
  private async recordBackup(
    transaction: Transaction,
    run: BackupRun,
    evidence: BackupEvidence,
    state: 'succeeded' | 'partial',
  ): Promise<void> {
    const id = newId('backup');
    const place = logPlaceOf(run.method, evidence.positions);
    const findings = [...evidence.findings, ...(await this.identityFinding(transaction, run, evidence))];
    await transaction.query(
      `INSERT INTO backups (id, organization_id, snapshot, repository_id, run_id, plan_id, server_id, database_id, database_name, method, label, consistency, state,
         consistent_at, objects, rows, size_bytes, added_bytes, server_version, tool, findings, created_at, backup_type, log_timeline, log_start, log_end, system_identity, parent_snapshot, names)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, (SELECT names FROM runs WHERE id = $5))`,
      [
        id,
        run.organization_id,
        evidence.snapshot,
        evidence.repository,
        run.id,
        run.plan_id,
        run.server_id,
        run.database_id,
        run.database_name,
        run.method,
        evidence.label,
        evidence.consistency,
        state,
        evidence.consistentAt,
        evidence.objectsFound,
        evidence.rows,
        evidence.bytes,
        evidence.addedBytes,
        evidence.serverVersion,
        evidence.tool,
        JSON.stringify(findings),
        this.clock.now(),
        // What the worker made of it: a run of another type may have become a full one by itself.
        typeOfLabel(evidence.label),
        place?.timeline ?? null,
        place?.start ?? null,
        place?.end ?? null,
        place?.system ?? null,
        evidence.parent ?? null,
      ],
    );
    if (place) await this.streams.baseRecorded(transaction, run.server_id);
    await transaction.query(`UPDATE runs SET backup_id = $2 WHERE id = $1`, [run.id, id]);
    await this.outbox.event(transaction, 'backup.recorded.v1', {
      organization: run.organization_id,
      backup: id,
      snapshot: evidence.snapshot,
      repository: evidence.repository,
      server: run.server_id,
      ...(run.database_id ? { database: run.database_id } : {}),
      method: run.method,
      at: this.clock.now().toISOString(),
    });
  }

  private async identityFinding(transaction: Transaction, run: BackupRun, evidence: BackupEvidence): Promise<Finding[]> {
    const { changed } = await recordIdentity(transaction, run.server_id, {
      identity: evidence.serverIdentity,
      version: evidence.serverVersion,
    });
    if (!changed) return [];
    await recordOwnAct(this.outbox, transaction, run.organization_id, {
      action: 'server.identity_changed',
      target: { kind: 'server', id: run.server_id },
      details: { seen: evidence.serverIdentity, run: run.id },
    });
    return [
      {
        code: 'server_identity_changed',
        severity: 'warning',
        message: `Another server than the recorded one was backed up: its identity is ${evidence.serverIdentity}`,
        fix: 'If that is right, save the address of the server again.',
      },
    ];
  }

  /** What is restored upon a damaged backup proves nothing any more, until it is verified itself. */
  private async damageUpon(transaction: Transaction, { id, organization_id: organization }: BackupRow, run: RunRow): Promise<void> {
    const upon = await transaction.query<{ id: string }>(
      `WITH RECURSIVE upon AS (
         SELECT repository_id, snapshot FROM backups WHERE id = $1
         UNION SELECT backups.repository_id, backups.snapshot FROM backups JOIN upon ON backups.repository_id = upon.repository_id AND backups.parent_snapshot = upon.snapshot
       )
       UPDATE backups SET proof = 'damaged', damaged_by = $2, proven_at = NULL FROM upon
       WHERE backups.repository_id = upon.repository_id AND backups.snapshot = upon.snapshot AND backups.proof <> 'damaged' RETURNING backups.id`,
      [id, run.level],
    );
    for (const child of upon)
      await recordOwnAct(this.outbox, transaction, organization, {
        action: 'backup.damaged',
        target: { kind: 'backup', id: child.id },
        details: { level: run.level, run: run.id, reasons: [`It is restored upon ${id}, which is damaged.`] },
      });
  }

  private async recordProof(transaction: Transaction, run: RunRow, judgement: Judgement): Promise<void> {
    const [backup] = await transaction.query<BackupRow>(`SELECT * FROM backups WHERE id = $1 FOR UPDATE`, [run.backup_id]);
    if (!backup || !run.level) return;
    const after = proofAfter({ proof: backup.proof, damagedBy: backup.damaged_by }, run.level, judgement);
    await transaction.query(
      `UPDATE backups SET proof = $2, damaged_by = $3, proven_at = CASE WHEN $2 <> 'FULL' THEN NULL WHEN $4 THEN $5::timestamptz ELSE proven_at END WHERE id = $1`,
      [backup.id, after.proof, after.damagedBy, judgement.state === 'succeeded' && run.level === 'FULL', this.clock.now()],
    );
    if (after.proof === 'damaged' && backup.proof !== 'damaged') {
      await recordOwnAct(this.outbox, transaction, run.organization_id, {
        action: 'backup.damaged',
        target: { kind: 'backup', id: backup.id },
        details: { level: run.level, run: run.id, reasons: judgement.reasons },
      });
      await this.damageUpon(transaction, backup, run);
    }
    if (judgement.state === 'succeeded' && after.proof !== 'damaged') {
      await this.outbox.event(transaction, 'backup.proven.v1', {
        organization: run.organization_id,
        backup: backup.id,
        level: run.level,
        at: this.clock.now().toISOString(),
      });
    }
    // A look that failed or found damage ends the chain: a deeper one would prove nothing that counts.
    if (after.proof !== 'damaged' && (judgement.state === 'succeeded' || judgement.state === 'partial')) {
      await this.verification.continueAfter(transaction, { ...backup, ...after }, run);
    }
  }
}
