import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as openRequest } from 'node:http';
import { Body, Controller, Get, Module, Post, Req, Res } from '@nestjs/common';
import { RahatError, type AuthenticatedSubject, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly, Public, Requires } from '@rahat/service-kit';
import type { Request, Response } from 'express';
import { configSchema, GatewayModule, sharedInDatabase } from './index.js';
import { startGatewayDatabase, type GatewayDatabase } from './testing/gateway-database.js';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';

const COOKIE = `rhs_${'c'.repeat(43)}`;
const subject: AuthenticatedSubject = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'operator',
  scopes: ['plan:read'],
  serverGroups: null,
  expiresAt: '2100-01-01T00:00:00.000Z',
  session: 'session_1',
};
const KNOWN: Record<string, AuthenticatedSubject> = {
  'good-token': subject,
  [COOKIE]: subject,
  'has-to-enrol': { ...subject, scopes: [], mustEnrol: true },
  rhb_key: { ...subject, kind: 'api-key', subject: 'key_1', session: undefined },
  rhb_slow_key: { ...subject, kind: 'api-key', subject: 'key_2', session: undefined, requestsPerMinute: 2 },
};

let made = 0;
let answerNow: (() => void) | undefined;

/** Stands behind the front door and tells what reached it. */
@Controller()
class Behind {
  @Get('api/v2/seen')
  @Requires()
  seen(@CurrentPrincipal() principal: Principal, @Req() request: Request) {
    return { principal, authorization: request.headers.authorization ?? null, cookie: request.headers.cookie ?? null };
  }

  @Post('api/v2/change')
  @Requires('plan:read')
  change() {
    return { changed: true };
  }

  /** Does what the body says, and counts. */
  @Post('api/v2/things')
  @Requires()
  async make(
    @Body() body: { fails?: boolean; waits?: boolean; secret?: string; large?: boolean },
    @Res({ passthrough: true }) response: Response,
  ) {
    made += 1;
    if (body.waits) await new Promise<void>((resolve) => (answerNow = resolve));
    if (body.fails) throw new RahatError('storage_unreachable', 'nas is away');
    response.setHeader('location', `/api/v2/things/${made}`);
    return { number: made, ...(body.secret ? { clientSecret: body.secret } : {}), ...(body.large ? { text: 'x'.repeat(300_000) } : {}) };
  }

  @Post('api/v2/api-keys')
  @Requires()
  makeKey() {
    return { number: ++made, url: 'https://planted-in-an-url' };
  }

  @Post('api/v2/sessions')
  @Public()
  logIn() {
    return { loggedIn: true };
  }

  @Post('internal/v1/secret')
  @InternalOnly()
  secret() {
    return { secret: true };
  }
}

@Module({ controllers: [Behind] })
class BehindModule {}

let application: TestApplication;
let asked = 0;
const internal = {
  post: async (_service: string, _path: string, body: unknown) => {
    asked += 1;
    const { credential } = body as { credential: string };
    if (credential === 'auth-is-down') throw new RahatError('unavailable', 'auth is not reachable');
    const known = KNOWN[credential];
    if (known === undefined) throw new RahatError('unauthenticated', 'The session has ended.');
    return known;
  },
} as unknown as Parameters<typeof GatewayModule.register>[0]['internal'];

let database: GatewayDatabase;
beforeAll(async () => {
  database = await startGatewayDatabase();
  const config = configSchema.parse({ RAHAT_LOGIN_TRIES_PER_MINUTE: 3 });
  application = await startTestApplication((runtime) => ({
    module: BehindModule,
    controllers: [Behind],
    imports: [GatewayModule.register({ runtime, config, internal, shared: sharedInDatabase(database.database, 'one') })],
  }));
});
afterAll(async () => {
  await application?.close();
  await database?.[Symbol.asyncDispose]();
});

const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
  application.call(method, path, { headers, body });

describe('the front door', () => {
  it.each([
    ['bearer token', { authorization: 'Bearer good-token' }],
    ['session cookie', { cookie: `rahat_session=${COOKIE}` }],
  ])('turns a %s into a principal and keeps the credential to itself', async (_name, headers) => {
    const { status, body } = await call('GET', '/api/v2/seen', headers);
    expect(status).toBe(200);
    expect(body).toEqual({
      principal: {
        kind: 'user',
        subject: 'user_1',
        name: 'Ada',
        organization: 'org_1',
        role: 'operator',
        scopes: ['plan:read'],
        serverGroups: null,
        session: 'session_1',
        address: '127.0.0.1',
        requestId: expect.any(String),
      },
      authorization: null,
      cookie: null,
    });
  });

  it('passes on that a session may do nothing but add a second factor', async () => {
    expect(await call('GET', '/api/v2/seen', { authorization: 'Bearer has-to-enrol' })).toMatchObject({
      status: 403,
      body: { code: 'second_factor_required' },
    });
  });

  it('takes an API key as well', async () => {
    expect((await call('GET', '/api/v2/seen', { authorization: 'Bearer rhb_key' })).body.principal).toMatchObject({
      kind: 'api-key',
      subject: 'key_1',
    });
  });

  it('refuses everybody else', async () => {
    expect((await call('GET', '/api/v2/seen')).status).toBe(401);
    for (const authorization of ['Bearer wrong', 'Basic YTpi', `Bearer ${COOKIE}`, 'Bearer', ''])
      expect((await call('GET', '/api/v2/seen', { authorization })).status).toBe(401);
    expect((await call('GET', '/api/v2/seen', { authorization: 'Bearer auth-is-down' })).status).toBe(503);
    for (const cookie of ['rahat_session=good-token', 'rahat_session=rhb_key', 'rahat_session='])
      expect((await call('GET', '/api/v2/seen', { cookie })).status).toBe(401);
  });

  it('lets no principal in from outside, not even a real one', async () => {
    const real = await application.principalToken({ ...subject, kind: 'service', address: 'x', requestId: 'x' } as Principal);
    expect((await call('GET', '/api/v2/seen', { 'rahat-principal': real })).status).toBe(401);
    expect((await call('GET', '/API/v2/seen/', { 'rahat-principal': real })).status).toBe(401);
    expect((await call('GET', '/api/v2/seen', { 'rahat-principal': real, authorization: 'Bearer rhb_key' })).body.principal.kind).toBe(
      'api-key',
    );
  });

  it('keeps what is between services between services', async () => {
    expect((await call('POST', '/internal/v1/secret')).status).toBe(401);
    expect((await call('POST', '/internal/v1/secret', { authorization: 'Bearer good-token' })).status).toBe(401);
    expect((await application.call('POST', '/internal/v1/secret', { as: application.service('scheduler', 'org_1') })).status).toBe(201);
    expect(
      (await application.call('POST', '/internal/v1/secret', { as: { ...subject, address: 'x', requestId: 'x' } as Principal })).status,
    ).toBe(403);
  });

  it('asks for the CSRF header when a cookie changes something, and only then', async () => {
    const cookie = `rahat_session=${COOKIE}`;
    expect((await call('POST', '/api/v2/change', { cookie })).status).toBe(403);
    expect((await call('POST', '/api/v2/change', { cookie, 'x-rahat-csrf': '1' })).status).toBe(201);
    expect((await call('POST', '/api/v2/change', { cookie, 'x-rahat-csrf': '1', 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await call('POST', '/api/v2/change', { authorization: 'Bearer good-token' })).status).toBe(201);
  });

  it('asks auth once for a burst of requests', async () => {
    const before = asked;
    await Promise.all(Array.from({ length: 10 }, () => call('GET', '/api/v2/seen', { authorization: 'Bearer good-token' })));
    expect(asked - before).toBeLessThanOrEqual(1);
  });

  it('limits log-ins by address, and tells so', async () => {
    expect((await call('POST', '/api/v2/sessions', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    const answers = [];
    for (let index = 0; index < 5; index++)
      answers.push(
        await call('POST', index % 2 === 0 ? '/api/v2/sessions' : '/API/v2/sessions/', { 'x-forwarded-for': `10.0.0.${index}` }),
      );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 429, 429]);
    expect(answers[0]!.headers.get('ratelimit-policy')).toBe('"log-in";q=3;w=60');
    expect(Number(answers[4]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answers[4]!.body).toMatchObject({ code: 'rate_limited', status: 429 });
  });

  it('tells on every answer of the API how much is left, and holds a key to its own limit', async () => {
    for (const [path, headers, policy] of [
      ['/api/v2/seen', {}, '"address";q=12000;w=60'],
      ['/api/v2/nothing', { authorization: 'Bearer good-token' }, '"address";q=12000;w=60, "read";q=3000;w=60'],
      ['/api/v2/seen', { authorization: 'Basic YTpi' }, '"address";q=12000;w=60'],
      ['/api/v2/setup', {}, '"address";q=12000;w=60'],
    ] as const) {
      const answer = await call('GET', path, { ...headers });
      expect(answer.headers.get('ratelimit-policy')).toBe(policy);
      expect(answer.headers.get('ratelimit')).toMatch(/^"address";r=\d+;t=\d+/);
    }
    const statuses = [];
    for (let index = 0; index < 3; index++) statuses.push(await call('GET', '/api/v2/seen', { authorization: 'Bearer rhb_slow_key' }));
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(statuses[2]!.body).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(Number(statuses[2]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(statuses[2]!.headers.get('ratelimit')).toContain('"api-key";r=0;t=');
  });

  it('refuses a path that nobody can read', async () => {
    for (const path of ['/api/v2/plans/%00', '/api/v2/plans/%E0%A4%A', '/internal/v1/%00'])
      expect((await call('GET', path)).body).toMatchObject({ code: 'malformed_request' });
  });

  it('answers an unknown path with a problem', async () => {
    for (const path of ['/api/v2/nothing', '/nothing'])
      expect(await call('GET', path)).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } });
  });
});

describe('a POST with an Idempotency-Key', () => {
  const post = (key: string | undefined, body: unknown, headers: Record<string, string> = {}, path = '/api/v2/things') =>
    call('POST', path, { authorization: 'Bearer good-token', ...(key === undefined ? {} : { 'idempotency-key': key }), ...headers }, body);

  it('is made once, and answered the same whenever it is repeated', async () => {
    const first = await post('a-1', { a: 1 });
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null]);
    const before = made;
    for (const key of ['a-1', '"a-1"']) {
      const again = await post(key, { a: 1 });
      expect(again).toMatchObject({ status: 201, body: first.body });
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      for (const header of ['location', 'content-type']) expect(again.headers.get(header)).toBe(first.headers.get(header));
      expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
      expect(again.headers.get('ratelimit')).not.toBeNull();
    }
    expect(made).toBe(before);
    expect((await post(undefined, { a: 1 })).body.number).toBe(before + 1);
  });

  it('belongs to its caller and path, and to one body', async () => {
    await post('b-1', { a: 1 });
    expect((await post('b-1', { a: 2 })).body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    expect((await post('b-1', { a: 1 }, {}, '/api/v2/things?x=1')).body).toMatchObject({ code: 'idempotency_key_reused' });
    const before = made;
    expect((await post('b-1', { a: 2 }, { authorization: 'Bearer rhb_key' })).status).toBe(201);
    expect(made).toBe(before + 1);
    expect((await post('b-1', { a: 2 }, {}, '/api/v2/change')).body).toEqual({ changed: true });
  });

  it('is refused while the first one is under way, and made once by a crowd', async () => {
    const before = made;
    const first = post('c-1', { waits: true });
    while (made === before) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await post('c-1', { waits: true });
    expect(second).toMatchObject({ status: 409, body: { code: 'idempotency_in_flight', retryable: true } });
    expect(second.headers.get('retry-after')).toBe('1');
    answerNow!();
    expect((await first).status).toBe(201);
    const crowd = await Promise.all(Array.from({ length: 10 }, () => post('c-2', { crowd: true })));
    expect(made).toBe(before + 2);
    expect(new Set(crowd.map(({ status }) => status))).toEqual(new Set([201, 409]));
  });

  it('is seen through when the caller has gone, who gets the answer later', async () => {
    const before = made;
    const leaving = openRequest(`${application.url}/api/v2/things`, {
      method: 'POST',
      headers: { authorization: 'Bearer good-token', 'idempotency-key': 'd-1', 'content-type': 'application/json' },
    });
    leaving.on('error', () => undefined);
    leaving.end('{"waits":true}');
    while (made === before) await new Promise((resolve) => setTimeout(resolve, 5));
    leaving.destroy();
    await new Promise((resolve) => leaving.once('close', resolve));
    answerNow!();
    let answer = await post('d-1', { waits: true });
    while (answer.status === 409) answer = await post('d-1', { waits: true });
    expect(answer).toMatchObject({ status: 201, body: { number: before + 1 } });
    expect(made).toBe(before + 1);
  });

  it('may be made again after a fault, but not after a refusal', async () => {
    const before = made;
    expect((await post('e-1', { fails: true })).status).toBe(503);
    expect((await post('e-1', { fails: true })).status).toBe(503);
    expect(made).toBe(before + 2);
    const refused = await post('e-2', {}, {}, '/api/v2/nothing');
    expect([refused.status, (await post('e-2', {}, {}, '/api/v2/nothing')).headers.get('idempotency-replayed')]).toEqual([404, 'true']);
  });

  it('keeps no secret and no endless answer; it says that the request was made', async () => {
    for (const [key, body, path] of [
      ['f-1', { secret: 'planted-secret' }, undefined],
      ['f-2', { large: true }, undefined],
      ['f-3', {}, '/api/v2/api-keys'],
    ] as const) {
      const before = made;
      expect((await post(key, body, {}, path)).status).toBe(201);
      expect((await post(key, body, {}, path)).body).toMatchObject({ status: 409, code: 'idempotency_answer_not_kept' });
      expect(made).toBe(before + 1);
    }
    expect(await database.stored()).not.toContain('planted');
  });

  it('is refused when nobody can read its key, and is nothing for a stranger', async () => {
    for (const key of ['', 'a b', '"', `"${'x'.repeat(256)}"`, 'x'.repeat(256)])
      expect((await post(key, {})).body).toMatchObject({ status: 422, code: 'invalid_input' });
    for (let index = 0; index < 2; index++) {
      const stranger = await call('POST', '/api/v2/things', { 'idempotency-key': 'g-1' }, {});
      expect([stranger.status, stranger.headers.get('idempotency-replayed')]).toEqual([401, null]);
    }
  });
});

describe("the API's documentation", () => {
  it('is open to everybody, under a policy of its own', async () => {
    const page = await call('GET', '/api/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    const document = await call('GET', '/api/openapi.json');
    expect(document.body.openapi).toMatch(/^3\.1\./);
    const again = await call('GET', '/api/openapi.json', { 'if-none-match': document.headers.get('etag')!, 'cache-control': '' });
    expect([again.status, again.body]).toEqual([304, '']);
  });

  it('is read by Scalar as well, with every part of it from here', async () => {
    const page = await call('GET', '/api/docs/reference');
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self';/);
    expect(page.body).not.toMatch(/https?:\/\/| on[a-z]+=|<script(?! type="module" src="\/api\/docs\/reference\/page.js")/);
    const script = await call('GET', '/api/docs/reference/page.js');
    expect(script.body).not.toMatch(/https?:\/\//);
    const wanted = new Set([/from '([^']+)'/.exec(script.body as string)![1]!]);
    // Whatever it loads, now or later: from its own folder, and there.
    for (const path of wanted) {
      const { status, headers, body } = await call('GET', path);
      expect([path, status, headers.get('content-type')]).toEqual([path, 200, 'text/javascript; charset=utf-8']);
      for (const [, part] of (body as string).matchAll(/(?:import|from)\(?[`"'](\.[^`"'?]+\.js)[`"']/g))
        wanted.add(new URL(part!, `http://x${path}`).pathname);
    }
    expect(wanted.size).toBeGreaterThan(10);
  });

  it.each(['../package.json', 'standalone.js.map', 'chunks/..%2F..%2F..%2Fpackage.json', 'chunks/none.js', '%2e%2e/index.js'])(
    'gives nothing else of that package: %s',
    async (file) => expect(JSON.stringify((await call('GET', `/api/docs/reference/bundle/${file}`)).body)).not.toContain('scalar'),
  );
});

describe('the page', () => {
  it('comes with a policy that lets in nothing from elsewhere, and has nothing inline', async () => {
    for (const path of ['/', '/setup?token=ABCD']) {
      const { status, headers, body } = await call('GET', path);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('content-security-policy')).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(body).not.toMatch(/ on[a-z]+=|style=|<style|<script(?! type="module" src="\/page\/app\.js")|https?:\/\//);
    }
  });

  it('finds every file that it names', async () => {
    const { body } = await call('GET', '/');
    const files = [...body.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThanOrEqual(3);
    const types = Object.fromEntries(
      await Promise.all(files.map(async (file) => [file, (await call('GET', file)).headers.get('content-type')])),
    );
    expect(types).toMatchObject({
      '/page/app.js': 'text/javascript; charset=utf-8',
      '/page/app.css': 'text/css; charset=utf-8',
      '/page/icon.svg': expect.stringContaining('image/svg+xml'),
    });
  });
});
