import {
  noRebuildCounts,
  type AttemptResult,
  type BackupEvidence,
  type CollectionEvidence,
  type CommandName,
  type CommandPayload,
  type Evidence,
  type RebuildEvidence,
  type RunSecrets,
  type RunSpec,
  type VerificationEvidence,
} from '@rahat/contracts';

/** One attempt in the hands of the scripted worker. */
export interface TestAttempt {
  spec: RunSpec;
  secrets: RunSecrets;
  tell<N extends CommandName>(name: N, payload: Omit<CommandPayload<N>, 'run' | 'attempt'>, id?: string): Promise<void>;
  start(worker?: string): Promise<void>;
  finish(result: AttemptResult, worker?: string): Promise<void>;
}
export type Script = ((attempt: TestAttempt) => Promise<void>) & { of?: RunSpec['type'] };

/** Waits for the next attempt of such a run, whatever else begins before it. */
export const scriptOf = (of: RunSpec['type'], script: Script): Script => Object.assign((attempt: TestAttempt) => script(attempt), { of });

export const succeed: Script = async (attempt) => {
  await attempt.start();
  await attempt.finish({ outcome: 'evidence', evidence: evidenceFor(attempt.spec) });
};
export const failWith =
  (code: string, retryable: boolean): Script =>
  async (attempt) => {
    await attempt.start();
    await attempt.finish({ outcome: 'error', error: { code, message: `scripted ${code}`, retryable } });
  };
export const withEvidence =
  (
    change: Partial<BackupEvidence> &
      Partial<Omit<VerificationEvidence, 'type'>> &
      Partial<Omit<CollectionEvidence, 'type'>> &
      Partial<Omit<RebuildEvidence, 'type'>>,
  ): Script =>
  async (attempt) => {
    await attempt.start();
    await attempt.finish({ outcome: 'evidence', evidence: { ...evidenceFor(attempt.spec), ...change } as Evidence });
  };

export function evidenceFor(spec: RunSpec): Evidence {
  const tables = [{ schema: 'public', table: 'orders', expectedRows: 5, actualRows: 5, matches: true }];
  switch (spec.type) {
    case 'backup':
      return {
        type: 'backup',
        cleanExit: true,
        trailerSeen: true,
        objectsExpected: 2,
        objectsFound: 2,
        rows: 5,
        bytes: 1000,
        addedBytes: 100,
        committed: true,
        snapshot: spec.snapshot,
        repository: spec.repository,
        label: 'full',
        consistency: 'snapshot',
        consistentAt: new Date().toISOString(),
        positions: {},
        serverIdentity: '7',
        serverVersion: '15.1',
        tool: 'pg_dump 15.1',
        findings: [],
      };
    case 'verification':
      return {
        type: 'verification',
        level: spec.level,
        snapshot: spec.snapshot,
        objectsExpected: 2,
        objectsChecked: 2,
        bytes: 1000,
        tables: spec.level === 'FULL' ? tables : [],
        restoredOn: spec.level === 'FULL' ? 'PostgreSQL 15' : undefined,
        ...(spec.recovery ? { recovery: { target: spec.recovery.target } } : {}),
        findings: [],
      };
    case 'restore':
      return {
        type: 'restore',
        snapshot: spec.snapshot,
        target: 'x',
        setAside: [],
        tables,
        rows: 5,
        bytes: 1000,
        ...(spec.merge && {
          merged: [],
          safetyCopy: {
            database: 'shop',
            schema: 'rahat_undo_1',
            rows: 5,
            expiresAt: new Date(Date.now() + spec.merge.safetyCopyDays * 86_400_000).toISOString(),
          },
        }),
        findings: [],
      };
    case 'safety-copy': {
      const { of, schema, action } = spec.order;
      return {
        type: 'restore',
        snapshot: spec.snapshot,
        target: 'x',
        setAside: [],
        tables: [],
        rows: 0,
        bytes: 0,
        merged: [],
        ended: { of, schema, action },
        findings: [],
      };
    }
    case 'collection': {
      const none = { packs: 0, bytes: 0 };
      return {
        type: 'collection',
        repository: spec.repository,
        snapshots: 1,
        chunks: 10,
        liveChunks: 8,
        missingChunks: 0,
        deleted: { packs: 2, bytes: 2000 },
        rescued: none,
        condemned: { packs: 1, bytes: 1000 },
        waiting: none,
        locked: none,
        copied: none,
        purged: 0,
        purgedSnapshots: [],
        findings: [],
      };
    }
    case 'follow':
      return {
        type: 'follow',
        repository: spec.repository,
        stream: spec.stream,
        end: { reason: 'stopped' },
        commits: 0,
        bytes: 0,
        addedBytes: 0,
        findings: [],
      };
    case 'rebuild': {
      const missing = { count: 0, backups: [] };
      const { repository, dryRun } = spec;
      return { type: 'rebuild', repository, dryRun, found: 0, outcomes: noRebuildCounts(), snapshots: [], missing, findings: [] };
    }
    case 'comparison':
      return {
        type: 'comparison',
        snapshot: spec.snapshot,
        newer: spec.newer,
        equal: true,
        objects: { count: 0, first: [] },
        tables: { count: 0, unchanged: 3, first: [] },
        sequences: 0,
        bytes: 0,
        findings: [],
      };
  }
}
