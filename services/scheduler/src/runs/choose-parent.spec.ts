import { describe, expect, it } from '@jest/globals';
import { type Candidate, chooseParent, MOST_LINKS } from './choose-parent.js';

/** Newest first; each is named by its number, and rests upon the next one unless it is full or says otherwise. */
function line(...backups: Partial<Candidate>[]): Candidate[] {
  return backups.map((backup, index) => ({
    snapshot: `s${index}`,
    type: 'incremental',
    state: 'succeeded',
    proof: 'stored',
    parent: backup.type === 'full' ? null : `s${index + 1}`,
    system: '7',
    consistentAt: new Date(Date.UTC(2026, 10, 28) - index * 3_600_000),
    ...backup,
  }));
}
const full = { type: 'full' } as const;

describe('what a backup is taken upon', () => {
  it('is the last backup for an incremental one, and the last full one for a differential one', () => {
    const backups = line({}, { type: 'differential', parent: 's2' }, full, full);
    expect(chooseParent('incremental', backups, '7')).toEqual({ parent: 's0' });
    expect(chooseParent('differential', backups, '7')).toEqual({ parent: 's2' });
  });

  it('may be unproven, and may be of a server whose identity nobody recorded yet', () => {
    expect(chooseParent('incremental', line({ ...full, proof: 'FULL' }), null)).toEqual({ parent: 's0' });
  });

  it.each<[string, 'incremental' | 'differential', Candidate[], string]>([
    ['there is none', 'incremental', [], 'no earlier backup'],
    ['there is no full one', 'differential', line({}), 'no full backup'],
    ['the last one is damaged, whatever lies before it', 'incremental', line({ proof: 'damaged' }, full), 'is damaged'],
    ['the last one is partial', 'incremental', line({ ...full, state: 'partial' }), 'is not complete'],
    [
      'what the last one rests upon is damaged',
      'incremental',
      line({}, {}, { ...full, proof: 'damaged' }),
      'of 2026-11-27T22:00:00.000Z, upon which',
    ],
    ['what the last one rests upon is gone', 'incremental', line({}, {}), 'not kept any more'],
    ['the last one is of another server', 'differential', line({ ...full, system: '8' }), 'of another server'],
    ['the chain is long enough', 'incremental', line(...Array<object>(MOST_LINKS - 1).fill({}), full), `${MOST_LINKS} backups`],
    ['the chain leads round in a circle', 'incremental', line({ parent: 's0' }), `${MOST_LINKS} backups`],
  ])('is nothing where %s', (_name, type, backups, reason) => {
    expect(chooseParent(type, backups, '7')).toEqual({ fullBecause: expect.stringContaining(reason) });
  });

  it('is the last one as long as the chain is shorter', () => {
    expect(chooseParent('incremental', line(...Array<object>(MOST_LINKS - 2).fill({}), full), '7')).toEqual({ parent: 's0' });
  });
});
