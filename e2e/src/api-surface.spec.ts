import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  apiKeysCreate,
  backupsList,
  databasesList,
  invitationsCreate,
  meGet,
  plansList,
  repositoriesList,
  restorePlansCreate,
  runsList,
  savedSearchesCreate,
  serverGroupsCreate,
  serversList,
  sessionsCreate,
  sessionsList,
  storagesList,
  templatesCreate,
} from '@rahat/api-client';
import { ROLE_SCOPES, type Scope } from '@rahat/contracts';
import { clientOf, data } from '@rahat/demo';
import fc from 'fast-check';
import { isTooWeak, pathOf, readApiDocument, ROLES, type ApiDocument, type Ids, type Operation } from './api-document.js';
import { refusalOf, spoiled, valuesOf } from './schema-values.js';
import { shapes, STANDALONE } from './shapes.js';
import { until } from './until.js';
import { openWorld, type World } from './world.js';
import { withMetadata } from './yesterday.js';

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** What lies outside of the platform may be away, and then a problem says so. */
const OF_OTHERS = /"code":"(source|storage|tool|hook|cloud)_|"detail":"The identity provider [^"]* cannot be reached/;
const LIMITED = ['operator', 'admin'] as const;
const SEED = 20_261;
const CASES = 6;
/** What whoever is limited to server groups may know all the same: a plan needs it, and nothing in it is anybody's. */
const COMMON = ['templates', 'repositories', 'storages'];
/** They ask for a person before they look whom or what it is about. */
const ASKS_FOR_A_PERSON = ['users_second_factors_remove', 'sessions_end_one'];
/** Nothing of what is asked here shall be hidden behind "too many requests". */
const UNLIMITED = {
  RAHAT_LOGIN_TRIES_PER_MINUTE: '10000',
  RAHAT_GATEWAY_READS_PER_MINUTE: '100000',
  RAHAT_GATEWAY_WRITES_PER_MINUTE: '100000',
  RAHAT_GATEWAY_HEAVY_REQUESTS_PER_MINUTE: '100000',
  RAHAT_GATEWAY_ADDRESS_REQUESTS_PER_MINUTE: '100000',
};

describe.each(shapes(STANDALONE))('the whole API ($form, $queues)', (shape) => {
  let world: World;
  let document: ApiDocument;
  let ids: Ids;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    world = await openWorld([], shape, { environment: UNLIMITED });
    document = await readApiDocument(world.platform.url);
    ids = await thingsOf(world);
    for (const name of ['owner', 'foreign']) keys[name] = await makeKey(world, name, ['*']);
    keys['key with one scope'] = await makeKey(world, 'weak', ['organization:read']);
    await moveToOthers(world, 'foreign');
    for (const role of ROLES) keys[role] = await logInAs(world, role);
    const { id: elsewhere } = await data(serverGroupsCreate({ client: world.platform.client, body: { name: 'elsewhere' } }));
    for (const role of LIMITED) keys[`limited ${role}`] = await logInAs(world, role, elsewhere);
  }, 180_000);
  afterAll(async () => world?.[Symbol.asyncDispose]());

  const call = async ({ method }: Operation, path: string, key: string | undefined, body?: unknown): Promise<Answer> => {
    const response = await fetch(world.platform.url + path, {
      method,
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream')) {
      await response.body!.cancel();
      return { status: response.status, type, text: '' };
    }
    return { status: response.status, type, text: await response.text() };
  };
  const named = ({ method, path }: Operation) => `${method} ${path}`;
  const accepted = ({ body }: Operation, seed = SEED) => body && fc.sample(valuesOf(body, document.schemas), { seed, numRuns: 1 })[0];

  it('declares for each operation who may call it', () => {
    expect(document.operations.length).toBeGreaterThan(50);
    expect(document.operations.filter(({ access }) => access === undefined).map(named)).toEqual([]);
  });

  it('is closed to strangers, but for what is public', async () => {
    const wrong: string[] = [];
    for (const operation of document.operations.filter(({ access }) => access?.access !== 'public')) {
      const { status, type } = await call(operation, pathOf(operation, ids), undefined, accepted(operation));
      if (status !== 401 || !type.startsWith('application/problem+json')) wrong.push(`${named(operation)}: ${status}`);
    }
    expect(wrong).toEqual([]);
  });

  it('refuses whoever has too few rights', async () => {
    const wrong: string[] = [];
    const weak: [name: string, scopes: readonly Scope[]][] = [
      ...ROLES.map((role) => [role, ROLE_SCOPES[role]] as [string, readonly Scope[]]),
      ['key with one scope', ['organization:read']],
    ];
    for (const [name, scopes] of weak) {
      for (const operation of document.operations.filter((one) => isTooWeak(scopes, one))) {
        const { status } = await call(operation, pathOf(operation, ids), keys[name], accepted(operation));
        if (status !== 403) wrong.push(`${named(operation)} as ${name}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('lets nobody edit what he saw otherwise', async () => {
    const shown = new Set(document.operations.filter(({ method }) => method === 'GET').map(({ path }) => path));
    const resourceOf = ({ path }: Operation) => path.replace(/\/(note|hold)$/, '');
    const edits = document.operations.filter((one) => ['PUT', 'PATCH'].includes(one.method) && shown.has(resourceOf(one)));
    expect(edits.length).toBeGreaterThan(10);
    const wrong: string[] = [];
    for (const edit of edits) {
      const headers = { authorization: `Bearer ${keys['owner']}` };
      const resource = await fetch(world.platform.url + pathOf({ ...edit, path: resourceOf(edit) }, ids), { headers });
      if (resource.headers.get('etag')?.startsWith('"') !== true) wrong.push(`${resourceOf(edit)} has no strong ETag (${resource.status})`);
      for (const seed of [1, 2, 3]) {
        const { status } = await fetch(world.platform.url + pathOf(edit, ids), {
          method: edit.method,
          headers: { ...headers, 'if-match': '"what nobody saw"', 'content-type': 'application/json' },
          body: JSON.stringify(accepted(edit, seed)),
        });
        if (status < 400) wrong.push(`${named(edit)} was done: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("shows nothing of one organization to another one's owner", async () => {
    const wrong: string[] = [];
    for (const operation of document.operations.filter(({ access }) => access?.access === 'scopes')) {
      const path = pathOf(operation, ids);
      const ask = (key: string) => call(operation, path, key, accepted(operation));
      const byKey = await ask(keys['foreign']!);
      // What only a person may do.
      const answer = byKey.status === 403 ? await ask(await logInAsPerson(world, 'others@example.org')) : byKey;
      const seen = Object.values(ids).filter((id) => answer.status < 300 && answer.text.includes(id));
      const theirs = path !== operation.path && !path.includes('absent_1');
      if (seen.length > 0) wrong.push(`${named(operation)} shows ${seen.join(', ')}`);
      // What is not there for them may be found so before or after their request is looked at.
      if (theirs && ![404, 422].includes(answer.status)) wrong.push(`${named(operation)}: ${answer.status} ${answer.text.slice(0, 200)}`);
    }
    expect(wrong).toEqual([]);
  });

  it.each(LIMITED)('is closed to a limited %s but for what lies within their server groups, and shows nothing beyond', async (role) => {
    const wrong: string[] = [];
    const common = new Set(['absent_1', ...COMMON.map((kind) => ids[kind])]);
    const hidden = Object.values(ids).filter((id) => !common.has(id));
    const reachable = document.operations.filter((one) => one.access?.access === 'scopes' && !isTooWeak(ROLE_SCOPES[role], one));
    for (const operation of reachable) {
      const path = pathOf(operation, ids);
      const ask = (query = '') => call(operation, path + query, keys[`limited ${role}`]!, accepted(operation));
      const answer = await ask();
      if (!operation.withinServerGroups) {
        if (answer.status !== 403) wrong.push(`${named(operation)}: ${answer.status}, and is for the whole organization`);
        continue;
      }
      const theirs = hidden.some((id) => path.includes(id));
      const expected = ASKS_FOR_A_PERSON.includes(operation.operationId) ? [403] : [404, 422];
      if (theirs && !expected.includes(answer.status)) wrong.push(`${named(operation)}: ${answer.status} ${answer.text.slice(0, 200)}`);
      const answers = [answer];
      if (operation.method === 'GET' && !theirs) for (const query of queriesOf(operation, ids)) answers.push(await ask(query));
      const seen = hidden.filter((id) => answers.some(({ status, text }) => status < 300 && text.includes(id)));
      if (seen.length > 0) wrong.push(`${named(operation)} shows ${seen.join(', ')}`);
    }
    expect(wrong).toEqual([]);
    expect(reachable.filter(({ withinServerGroups }) => withinServerGroups).length).toBeGreaterThan(40);
  });

  it('bears whatever is sent to it: no answer is undocumented, none an inner fault', async () => {
    const wrong: string[] = [];
    let seed = SEED;
    // Failed log-ins close the entrance for a while, and what comes after could not log in.
    const isPublic = ({ access }: Operation) => access?.access === 'public';
    for (const operation of document.operations.toSorted((one, other) => Number(isPublic(one)) - Number(isPublic(other)))) {
      for (const [index, { path, body }] of requestsTo(operation, ++seed).entries()) {
        // Some things only a person may do, and some of them end the person's session.
        const asPerson = index % 2 === 1 && !isPublic(operation);
        if (asPerson && !(await isLoggedIn())) session = await logInAsPerson(world, world.owner.email);
        const answer = await call(operation, path, asPerson ? session : keys['owner'], body);
        const mistake = mistakeIn(operation, answer, document);
        if (mistake) wrong.push(`${operation.method} ${path} ${JSON.stringify(body)?.slice(0, 300)}: ${mistake}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  let session = '';
  const isLoggedIn = async () =>
    (await fetch(`${world.platform.url}/api/v2/me`, { headers: { authorization: `Bearer ${session}` } })).status === 200;

  /** What the schemas accept, the same with a part spoiled, and ids that are somebody's, nobody's or none. */
  function requestsTo(operation: Operation, seed: number): { path: string; body?: unknown }[] {
    const { body } = operation;
    const values = body && valuesOf(body, document.schemas);
    const bodies = values ? fc.oneof(values, spoiled(values)) : fc.constant(undefined);
    const query = fc.record(
      Object.fromEntries(
        operation.parameters
          .filter((parameter) => parameter.in === 'query')
          .map(({ name, schema }) => [
            name,
            fc.oneof({ weight: 5, arbitrary: valuesOf(schema, document.schemas) }, { weight: 1, arbitrary: spoiled(fc.constant('')) }),
          ]),
      ),
      { requiredKeys: [] },
    );
    const place = fc.oneof(
      fc.constant({ ...ids, entries: '1' }),
      fc.constant({}),
      fc.string({ minLength: 1, unit: 'binary' }).map((text) => new Proxy({}, { get: () => text })),
    );
    const requests = fc.tuple(place, query, bodies).map(([known, parameters, one]) => {
      const search = new URLSearchParams(
        Object.entries(parameters).map(
          ([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)] as [string, string],
        ),
      ).toString();
      return { path: pathOf(operation, known as Ids) + (search && `?${search}`), body: one };
    });
    return fc.sample(requests, { seed, numRuns: CASES });
  }
});

function mistakeIn({ responses }: Operation, { status, type, text }: Answer, { schemas }: ApiDocument): string | undefined {
  if (status >= 500 && !OF_OTHERS.test(text)) return `${status} ${text}`;
  const documented = responses[String(status)] ?? responses['default'];
  if (!documented) return `${status} is not documented`;
  const types = Object.keys(documented.content ?? {});
  if (text !== '' && !types.some((one) => type.startsWith(one)))
    return `${status} has the type ${type}, documented is ${types.join(', ') || 'none'}`;
  const schema = documented.content?.[type.split(';', 1)[0]!]?.schema;
  const refusal = schema && /[/+]json$/.test(type.split(';', 1)[0]!) && refusalOf(schema, schemas, JSON.parse(text));
  return refusal ? `${status} is not what is documented: ${refusal} in ${text.slice(0, 300)}` : undefined;
}

/** All of them have the owner's password. */
async function logInAsPerson({ platform, owner }: World, email: string): Promise<string> {
  const client = clientOf(platform.url);
  const answer = await data(sessionsCreate({ client, body: { email, password: owner.password } }));
  if (!('accessToken' in answer)) throw new Error(`${email} has a second factor.`);
  return answer.accessToken;
}

async function makeKey({ platform: { client } }: World, name: string, scopes: Scope[]): Promise<string> {
  return (await data(apiKeysCreate({ client, body: { name, scopes } }))).secret;
}

/** One of each kind that can be named in a path. The platform's own protection has made most of them. */
async function thingsOf({ platform: { client } }: World): Promise<Ids> {
  const first = async <T extends { id: string }>(list: () => Promise<{ data: T[] }>): Promise<string> =>
    until('what the platform makes by itself', async () => (await list()).data[0]?.id, 60_000);
  const backup = await first(() => data(backupsList({ client })));
  const server = await first(() => data(serversList({ client })));
  const repository = await first(() => data(repositoriesList({ client })));
  const { id: restorePlan } = await data(restorePlansCreate({ client, body: { backup } })).catch(() => ({ id: 'absent_1' }));
  return {
    servers: server,
    databases: (await data(databasesList({ client, path: { server } }))).data[0]?.id ?? 'absent_1',
    backups: backup,
    plans: await first(() => data(plansList({ client }))),
    runs: await first(() => data(runsList({ client }))),
    storages: await first(() => data(storagesList({ client }))),
    repositories: repository,
    collections: repository,
    'restore-plans': restorePlan,
    'server-groups': (await data(serverGroupsCreate({ client, body: { name: 'surface' } }))).id,
    templates: (await data(templatesCreate({ client, body: { name: 'surface', content: {} } }))).id,
    'saved-searches': (await data(savedSearchesCreate({ client, body: { name: 'surface', list: 'runs', query: {} } }))).id,
    users: (await data(meGet({ client }))).id,
    sessions: (await data(sessionsList({ client }))).data[0]!.id,
    invitations: (await data(invitationsCreate({ client, body: { email: 'guest@example.org', role: 'viewer' } }))).id,
    'api-keys': (await data(apiKeysCreate({ client, body: { name: 'surface', scopes: ['plan:read'] } }))).id,
  };
}

/** An owner of another organization, who holds this key. */
async function moveToOthers(world: World, key: string): Promise<void> {
  await withMetadata(world, async (client) => {
    await client.query(`INSERT INTO auth.organizations (organization_id, name) VALUES ('org_others', 'Others')`);
    await client.query(
      `INSERT INTO auth.users (id, organization_id, email, name, password_hash) SELECT 'user_others', 'org_others', 'others@example.org', 'Others', password_hash FROM auth.users LIMIT 1`,
    );
    await client.query(`INSERT INTO auth.memberships (organization_id, user_id, role) VALUES ('org_others', 'user_others', 'owner')`);
    await client.query(`UPDATE auth.api_keys SET organization_id = 'org_others', created_by = 'user_others' WHERE name = $1`, [key]);
  });
}

/** Each filter that takes an id, with the id of something that is there. */
function queriesOf({ parameters }: Operation, ids: Ids): string[] {
  const filters = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  const given = Object.entries({ ...ids, groups: ids['server-groups']! }).map(
    ([kind, id]) => [kind.replace(/ies$/, 'y').replace(/s$/, ''), id] as const,
  );
  return given.filter(([name]) => filters.includes(name)).map(([name, id]) => `?${name}=${id}`);
}

/** A key of a user who has this role; within a server group alone, where one is named. */
async function logInAs(world: World, role: string, serverGroup?: string): Promise<string> {
  const name = serverGroup === undefined ? role : `limited_${role}`;
  const key = await makeKey(world, name, ['*']);
  await withMetadata(world, async (client) => {
    await client.query(
      `INSERT INTO auth.users (id, organization_id, email, name, password_hash)
       SELECT $1, organization_id, $1 || '@example.org', $1, password_hash FROM auth.users WHERE email = 'owner@example.org'`,
      [`user_${name}`],
    );
    await client.query(
      `INSERT INTO auth.memberships (organization_id, user_id, role, server_groups) SELECT organization_id, id, $2, $3 FROM auth.users WHERE id = $1`,
      [`user_${name}`, role, serverGroup === undefined ? null : [serverGroup]],
    );
    await client.query(`UPDATE auth.api_keys SET created_by = $1 WHERE name = $2`, [`user_${name}`, name]);
  });
  return key;
}
