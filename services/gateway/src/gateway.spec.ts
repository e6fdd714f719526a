import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Post, Req } from '@nestjs/common';
import { RahatError, type AuthenticatedSubject, type Principal } from '@rahat/contracts';
import { CurrentPrincipal, InternalOnly, Public, Requires } from '@rahat/service-kit';
import type { Request } from 'express';
import { configSchema, GatewayModule } from './index.js';
import { startTestApplication, type TestApplication } from '@rahat/service-kit/testing';

const COOKIE = `rhs_${'c'.repeat(43)}`;
const subject: AuthenticatedSubject = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'operator',
  scopes: ['plan:read'],
  expiresAt: '2100-01-01T00:00:00.000Z',
  session: 'session_1',
};
const KNOWN: Record<string, AuthenticatedSubject> = {
  'good-token': subject,
  [COOKIE]: subject,
  'has-to-enrol': { ...subject, scopes: [], mustEnrol: true },
  rhb_key: { ...subject, kind: 'api-key', subject: 'key_1', session: undefined },
};

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
} as Parameters<typeof GatewayModule.register>[0]['internal'];

beforeAll(async () => {
  const config = configSchema.parse({ RAHAT_LOGIN_TRIES_PER_MINUTE: 3 });
  application = await startTestApplication((runtime) => ({
    module: BehindModule,
    controllers: [Behind],
    imports: [GatewayModule.register({ runtime, config, internal })],
  }));
});
afterAll(() => application?.close());

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

  it('refuses a path that nobody can read', async () => {
    for (const path of ['/api/v2/plans/%00', '/api/v2/plans/%E0%A4%A', '/internal/v1/%00'])
      expect((await call('GET', path)).body).toMatchObject({ code: 'invalid_input' });
  });

  it('answers an unknown path with a problem', async () => {
    for (const path of ['/api/v2/nothing', '/nothing'])
      expect(await call('GET', path)).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } });
  });
});

describe("the API's documentation", () => {
  it('is open to everybody, under a policy of its own', async () => {
    const page = await call('GET', '/api/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect((await call('GET', '/api/openapi.json')).body.openapi).toMatch(/^3\.1\./);
  });
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
