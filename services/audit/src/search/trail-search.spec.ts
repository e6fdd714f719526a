import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditQuery } from '@rahat/contracts';
import { openTestTrail, type TestTrail } from '../testing/open-test-trail.js';
import { pageOfTrail } from './trail-search.js';

let test: TestTrail;
beforeAll(async () => {
  test = await openTestTrail(18);
  const add = (name: string, more: Parameters<TestTrail['record']>[2]) => test.record('org_a', name, more);
  await add('nightly', { at: '2026-01-01T00:00:00Z' });
  await add('weekly', { actor: { kind: 'user', id: 'user_2', name: 'Grace Höpper', address: '10.0.0.9' }, at: '2026-02-01T00:00:00.5Z' });
  await add('web', { action: 'server.created', target: { kind: 'server', id: 'server_1', name: 'web' }, request: 'request_7' });
  await add('web', {
    action: 'server.updated',
    target: { kind: 'server', id: 'server_1', name: 'web' },
    details: { note: 'moved to rack-12' },
  });
  await add('x', { action: 'servers_are_else' });
  await test.record('org_b', 'nightly');
});
afterAll(async () => test?.[Symbol.asyncDispose]());

const found = async (query: Record<string, unknown>) =>
  (await test.search.list('org_a', AuditQuery.parse(query))).data.map(({ sequence }) => sequence);

describe('the search of the trail', () => {
  it.each([
    [{}, [5, 4, 3, 2, 1]],
    [{ actor: 'user_2' }, [2]],
    [{ action: 'server.' }, [4, 3]],
    [{ action: 'server.updated' }, [4]],
    [{ targetKind: 'server' }, [4, 3]],
    [{ target: 'server_1' }, [4, 3]],
    [{ address: '10.0.0.9' }, [2]],
    [{ request: 'request_7' }, [3]],
    [{ from: '2026-01-15T00:00:00Z', to: '2026-03-01T00:00:00Z' }, [2]],
    [{ from: '2026-01-01T01:00:00+01:00', to: '2026-01-01T00:00:00.001Z' }, [1]],
    [{ q: 'höp grace' }, [2]],
    [{ q: 'rack-12' }, [4]],
    [{ q: 'night' }, [1]],
    [{ q: `'); DROP TABLE audit_entries; --` }, []],
    [{ q: '&|!:*' }, []],
    [{ action: 'server.', q: 'rack' }, [4]],
  ])('finds by %j', async (query, sequences) => expect(await found(query)).toEqual(sequences));

  it('pages from the newest on, and shows an organization only its own', async () => {
    const query = AuditQuery.parse({ limit: 2 });
    const first = await test.search.list('org_a', query);
    const second = await test.search.list('org_a', { ...query, cursor: first.page.nextCursor! });
    const third = await test.search.list('org_a', { ...query, cursor: second.page.nextCursor! });
    expect([first, second, third].map(({ data }) => data.map(({ sequence }) => sequence))).toEqual([[5, 4], [3, 2], [1]]);
    expect(third.page).toEqual({ nextCursor: null, hasMore: false });
    await expect(test.search.get('org_b', 2)).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([
    { action: 'Server' },
    { action: "x' OR true" },
    { from: 'yesterday' },
    { to: '0000-01-01T00:00:00Z' },
    { q: '' },
    { limit: 1_000 },
  ])('refuses %j', (query) => expect(AuditQuery.safeParse(query).success).toBe(false));

  it.each([
    [{ actor: 'user_2' }, 'audit_entries_actor'],
    [{ action: 'user.' }, 'audit_entries_action'],
    [{ target: 'server_1' }, 'audit_entries_target_id'],
    [{ address: '10.0.0.9' }, 'audit_entries_address'],
    [{ request: 'request_7' }, 'audit_entries_request'],
    [{ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }, 'audit_entries_at'],
    [{ q: 'rack' }, 'audit_entries_search'],
  ])('looks for %j in an index', async (query, index) => {
    await test.asSuperuser(
      `INSERT INTO audit.audit_entries (organization_id, sequence, content, hash)
       SELECT 'org_full', n, json_build_object('action', 'plan.x', 'at', '2026-05-01T00:00:00Z', 'actor', json_build_object('id', 'u' || n % 50, 'address', 'a' || n % 50),
         'target', json_build_object('id', 't' || n, 'kind', 'plan'), 'request', 'r' || n, 'details', json_build_object('word', 'w' || n))::text, repeat('0', 64)
       FROM generate_series(1, 5000) n ON CONFLICT DO NOTHING; ANALYZE audit.audit_entries`,
    );
    const { sql, values } = pageOfTrail('org_full', AuditQuery.parse(query));
    const plan = await test.database.asSystem('explain', async (transaction) => {
      // A table as small as this one is read through sooner.
      await transaction.query(`SET LOCAL enable_seqscan = off`);
      return transaction.query(`EXPLAIN ${sql}`, values);
    });
    expect(JSON.stringify(plan)).toContain(index);
  });
});
