import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { admit, type Candidate, type Resource } from './admission.js';

const now = new Date('2026-11-24T12:00:00Z');
const resource = (key: string, limit?: number): Resource => ({ key, limit, reason: 'server', message: `${key} is busy` });
const candidate = (id: string, change: Partial<Candidate> & { ago?: number } = {}): Candidate => ({
  id,
  organization: 'org_1',
  priority: 50,
  dueAt: new Date(now.getTime() - (change.ago ?? 0) * 60_000),
  resources: [resource('pool', 1)],
  ...change,
});
const free = { byResource: new Map(), byOrganization: new Map() };
const admitted = (candidates: Candidate[], occupied: Parameters<typeof admit>[1] = free) => admit(candidates, occupied, now).admitted;

describe('admission', () => {
  it('lets in as many as the tightest limit, and says what the others wait for', () => {
    const two = [resource('server', 2), resource('storage')];
    const { admitted: ids, waiting } = admit(
      ['a', 'b', 'c'].map((id) => candidate(id, { resources: two })),
      free,
      now,
    );
    expect(ids).toEqual(['a', 'b']);
    expect(waiting.get('c')).toEqual({ reason: 'server', message: 'server is busy' });
  });
  it('counts what runs already', () => expect(admitted([candidate('a')], { ...free, byResource: new Map([['pool', 1]]) })).toEqual([]));
  it('goes by priority, then by age', () => {
    expect(admitted([candidate('late'), candidate('early', { ago: 5 }), candidate('urgent', { priority: 10 })])).toEqual(['urgent']);
    expect(admitted([candidate('late'), candidate('early', { ago: 5 })])).toEqual(['early']);
  });
  it('lets others pass one whose own limit is reached', () =>
    expect(
      admitted([candidate('first', { priority: 1, resources: [resource('full', 0), resource('pool', 1)] }), candidate('second')]),
    ).toEqual(['second']));
  it('puts who has waited half an hour before every priority', () =>
    expect(admitted([candidate('urgent', { priority: 1 }), candidate('patient', { priority: 100, ago: 31 })])).toEqual(['patient']));
  it('keeps a free place for one that has waited long for another one', () => {
    const both = candidate('both', { ago: 20, priority: 1, resources: [resource('server', 1), resource('storage', 1)] });
    const other = candidate('other', { resources: [resource('storage', 1)] });
    const result = admit([both, other], { ...free, byResource: new Map([['server', 1]]) }, now);
    expect(result.admitted).toEqual([]);
    expect(result.waiting.get('other')).toMatchObject({ reason: 'turn' });
  });
  it('lets organizations take turns, counting what they have running', () => {
    const pool = { resources: [resource('pool', 3)] };
    const many = ['a1', 'a2', 'a3', 'a4'].map((id) => candidate(id, { ...pool, ago: 5 }));
    const few = ['b1', 'b2'].map((id) => candidate(id, { ...pool, organization: 'org_2' }));
    expect(admitted([...many, ...few])).toEqual(['a1', 'b1', 'a2']);
    expect(admitted([...many, ...few], { ...free, byOrganization: new Map([['org_1', 5]]) })).toEqual(['b1', 'b2', 'a1']);
  });

  const keys = ['s1', 's2', 'p1', 'd1'];
  const anyCandidate = fc.record({
    organization: fc.constantFrom('org_1', 'org_2'),
    priority: fc.integer({ min: 1, max: 100 }),
    ago: fc.integer({ min: 0, max: 90 }),
    uses: fc.subarray(keys, { minLength: 1 }),
  });
  it('never exceeds a limit, and leaves nobody waiting for nothing', () => {
    fc.assert(
      fc.property(
        fc.array(anyCandidate, { maxLength: 30 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }),
        (drawn, limits, running) => {
          const limitOf = (key: string) => limits[keys.indexOf(key)]!;
          const candidates = drawn.map(({ uses, ...rest }, index) =>
            candidate(`run_${index}`, { ...rest, resources: uses.map((key) => resource(key, limitOf(key))) }),
          );
          const before = new Map(keys.map((key, index) => [key, running[index]!]));
          const { admitted: ids, waiting } = admit(candidates, { byResource: before, byOrganization: new Map() }, now);
          const after = new Map(before);
          for (const { id, resources } of candidates)
            if (ids.includes(id)) for (const { key } of resources) after.set(key, after.get(key)! + 1);
          for (const key of keys) if (after.get(key)! > before.get(key)!) expect(after.get(key)!).toBeLessThanOrEqual(limitOf(key));
          expect([...ids, ...waiting.keys()].sort()).toEqual(candidates.map(({ id }) => id).sort());
          // Who is told to wait for a resource waits for one that is full.
          for (const { id, resources } of candidates) {
            const told = waiting.get(id);
            if (told && told.reason !== 'turn')
              expect(resources.some(({ key, message }) => message === told.message && after.get(key)! >= limitOf(key))).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('starves nobody although more urgent work comes without an end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.subarray(keys, { minLength: 1 }), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.subarray(keys, { minLength: 1 })),
        (patient, stream) => {
          const resources = (uses: string[]) => uses.map((key) => resource(key, 1));
          let waiting = patient.map((uses, index) =>
            candidate(`patient_${index}`, { priority: 100, dueAt: now, resources: resources(uses) }),
          );
          let running: { candidate: Candidate; until: number }[] = [];
          for (let minute = 0; minute < 300; minute++) {
            running = running.filter(({ until }) => until > minute);
            const at = new Date(now.getTime() + minute * 60_000);
            for (let burst = 0; burst < 2; burst++)
              waiting.push(
                candidate(`urgent_${minute}_${burst}`, {
                  priority: 1,
                  dueAt: at,
                  organization: 'org_2',
                  resources: resources(stream.next().value),
                }),
              );
            const byResource = new Map(
              keys.map((key) => [key, running.filter(({ candidate: run }) => run.resources.some((used) => used.key === key)).length]),
            );
            const { admitted: ids } = admit(waiting, { byResource, byOrganization: new Map() }, at);
            running.push(...waiting.filter(({ id }) => ids.includes(id)).map((run) => ({ candidate: run, until: minute + 5 })));
            waiting = waiting.filter(({ id }) => !ids.includes(id));
          }
          expect(waiting.filter(({ id }) => id.startsWith('patient'))).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
