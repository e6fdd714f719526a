import type { Finding, ReadableSnapshot } from '@rahat/contracts';
import { judge } from '../runs/judgement.js';

export interface Standing {
  state: 'succeeded' | 'partial';
  findings: Finding[];
  objects: number;
  rows: number;
  bytes: number;
}

/** By the same rules as a run's: what the manifest can't show counts as missing, and a backup that misses something is partial. */
export function standingOf(found: ReadableSnapshot): Standing {
  const { evidence, snapshot } = found;
  // As a run counts them; what it did not write down is counted in the manifest.
  const { objectsFound: objects = found.objects, rows = found.rows, bytes = found.sizeBytes } = evidence;
  const judgement = judge(
    {
      outcome: 'evidence',
      evidence: {
        type: 'backup',
        cleanExit: evidence.cleanExit ?? false,
        trailerSeen: evidence.trailerSeen ?? false,
        objectsExpected: evidence.objectsExpected ?? found.objects,
        objectsFound: objects,
        rows,
        bytes,
        addedBytes: found.addedBytes,
        committed: true,
        snapshot,
        repository: '',
        label: found.label,
        consistency: found.consistency,
        consistentAt: found.consistentAt,
        positions: {},
        serverIdentity: found.server.identity,
        serverVersion: found.server.version,
        tool: found.tool,
        findings: found.findings,
      },
    },
    { type: 'backup', snapshot, repository: '' },
  );
  if (judgement.state === 'succeeded') return { state: 'succeeded', findings: [], objects, rows, bytes };
  const reasons = judgement.reasons.filter((reason) => !found.findings.some(({ message }) => reason.endsWith(message)));
  return {
    state: 'partial',
    findings: reasons.map((message) => ({ code: 'evidence_incomplete', severity: 'gap', message })),
    objects,
    rows,
    bytes,
  };
}
