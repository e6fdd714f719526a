import { describe, expect, it } from '@jest/globals';
import { demandedProof, proofAfter, type ProofRecord } from './proof.js';
import type { Judgement } from '../runs/judgement.js';

const stored: ProofRecord = { proof: 'stored', damagedBy: null };
const succeeded: Judgement = { state: 'succeeded', reasons: [] };
const failed = (code: string): Judgement => ({ state: 'failed', reasons: ['x'], error: { code, message: 'x', retryable: false } });

describe('the proof of a backup', () => {
  it('rises by the level reached and never falls by a lower success', () => {
    expect(proofAfter(stored, 'FULL', succeeded)).toEqual({ proof: 'FULL', damagedBy: null });
    expect(proofAfter({ proof: 'FULL', damagedBy: null }, 'BASIC', succeeded)).toEqual({ proof: 'FULL', damagedBy: null });
  });
  it('is gone with the first damage, whatever was proven before', () => {
    expect(proofAfter({ proof: 'FULL', damagedBy: null }, 'BASIC', failed('repository_damaged'))).toEqual({
      proof: 'damaged',
      damagedBy: 'BASIC',
    });
  });
  it('is not given back by a more superficial look', () => {
    const damaged = proofAfter(stored, 'FULL', failed('restore_mismatch'));
    expect(proofAfter(damaged, 'BASIC', succeeded)).toEqual(damaged);
    expect(proofAfter(damaged, 'FULL', succeeded)).toEqual({ proof: 'FULL', damagedBy: null });
    expect(proofAfter(damaged, 'BASIC', failed('repository_damaged'))).toEqual(damaged);
  });
  it('stays when the verification could not be done or saw only a part', () => {
    const undecided: Judgement[] = [
      failed('storage_unreachable'),
      failed('worker_lost'),
      { state: 'partial', reasons: ['x'] },
      { state: 'cancelled', reasons: [] },
    ];
    for (const judgement of undecided) {
      expect(proofAfter({ proof: 'BASIC', damagedBy: null }, 'FULL', judgement)).toEqual({ proof: 'BASIC', damagedBy: null });
    }
  });
  it('falls below a test restore, without being damage, when the copy is not what the plan says it must be', () => {
    expect(proofAfter({ proof: 'FULL', damagedBy: null }, 'FULL', failed('assertion_failed'))).toEqual({
      proof: 'DATABASE',
      damagedBy: null,
    });
    expect(proofAfter({ proof: 'BASIC', damagedBy: null }, 'FULL', failed('assertion_failed'))).toEqual({
      proof: 'BASIC',
      damagedBy: null,
    });
  });
  it('is demanded as high as the plan verifies', () => {
    expect([demandedProof([]), demandedProof(['BASIC']), demandedProof(['FULL', 'BASIC'])]).toEqual(['stored', 'BASIC', 'FULL']);
  });
});
