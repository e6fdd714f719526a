import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, ConflictException, Controller, Get, HttpCode, Inject, Module, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { ERROR_CATALOGUE, newId, type Principal, RahatError } from '@rahat/contracts';
import type { Response } from 'express';
import { z } from 'zod';
import {
  type Application,
  createApplication,
  createLogger,
  CURSORS,
  CurrentPrincipal,
  type Cursors,
  describeApi,
  InternalClient,
  InternalOnly,
  openPrincipalKeys,
  type PrincipalKeys,
  Public,
  OpenToEnrolment,
  Requires,
} from './index.js';

const Address = z.object({ host: z.string().min(1), port: z.coerce.number().int().default(5432) }).meta({ id: 'TestAddress' });
const Thing = z.object({ name: z.string(), address: Address, seenAt: z.iso.datetime().nullable() }).meta({ id: 'TestThing' });
const CreateThing = z
  .object({ name: z.string().min(1), address: Address })
  .strict()
  .meta({ id: 'CreateTestThing' });
const List = z.object({ limit: z.coerce.number().int().min(1).max(100).default(25), cursor: z.string().optional() });

@Controller('api/v2/things')
class ThingsController {
  constructor(@Inject(CURSORS) private readonly cursors: Cursors) {}

  @Post()
  @Requires('plan:write')
  @ApiOperation({ operationId: 'things_create' })
  @ApiCreatedResponse({ standardSchema: Thing })
  create(@Body({ schema: CreateThing }) body: z.infer<typeof CreateThing>) {
    return { ...body, seenAt: null };
  }

  @Get()
  @Requires('plan:read')
  @ApiOperation({ operationId: 'things_list' })
  @ApiOkResponse({ standardSchema: z.array(Thing) })
  list(@Query({ schema: List }) query: z.infer<typeof List>) {
    if (query.cursor) return this.cursors.decode(query.cursor, z.object({ after: z.string() }));
    return { limit: query.limit, next: this.cursors.encode({ after: 'x' }) };
  }

  @Get('me')
  @Requires()
  me(@CurrentPrincipal() principal: Principal) {
    return { subject: principal.subject };
  }

  @Get('enrolment')
  @Requires()
  @OpenToEnrolment()
  enrolment() {
    return { enrolled: false };
  }

  @Get('open')
  @Public()
  open() {
    return { open: true };
  }

  @Get('stream')
  @Public()
  stream(@Res() response: Response) {
    response.write('data: 1\n\n');
  }

  @Get('undeclared')
  undeclared() {
    return {};
  }

  @Get('failing/:how')
  @Public()
  fail(@Param('how') how: string) {
    if (how === 'conflict') throw new ConflictException('taken');
    if (how === 'rahat') throw new RahatError('storage_full', 'nas is full');
    if (how === 'internal') throw new RahatError('internal', 'select secret from users');
    throw new Error('password=hunter2 in the message');
  }
}

@Controller('internal/v1/things')
class InternalThingsController {
  @Post('grant')
  @HttpCode(200)
  @InternalOnly()
  grant(@CurrentPrincipal() principal: Principal, @Body({ schema: z.object({ id: z.string() }) }) body: { id: string }) {
    if (body.id === 'missing') throw new RahatError('not_found', 'no such thing', { hint: 'make it' });
    return { granted: body.id, to: principal.name, in: principal.organization };
  }
}

@Module({ controllers: [ThingsController, InternalThingsController] })
class ThingsModule {}

const owner: Principal = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'owner',
  scopes: ['*'],
  serverGroups: null,
  address: '127.0.0.1',
  requestId: 'r',
};
const viewer: Principal = { ...owner, role: 'viewer', scopes: ['plan:read'] };

let folder: string;
let keys: PrincipalKeys;
let application: Application;
let url: string;
let operationsUrl: string;
let databaseIsUp = true;
const log: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rahat-kit-'));
  keys = await openPrincipalKeys(folder);
  application = await createApplication(ThingsModule, {
    name: 'things',
    version: '1.2.3',
    principalKeys: keys,
    logger: createLogger('things', { level: 'info', destination: { write: (line) => void log.push(line) } }),
    checks: {
      database: async () => {
        if (!databaseIsUp) throw new Error('away');
      },
    },
    metrics: [
      async () => 'bullmq_job_count 1\n',
      async () => {
        throw new Error('away');
      },
    ],
  });
  const listening = await application.listen({ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0 });
  url = listening.url;
  operationsUrl = listening.operationsUrl!;
});

afterAll(async () => {
  await application?.close();
  await rm(folder, { recursive: true, force: true });
});

async function call(
  route: string,
  options: { as?: Principal; method?: string; body?: string | Buffer<ArrayBuffer>; headers?: Record<string, string> } = {},
) {
  const headers: Record<string, string> = { 'content-type': 'application/json', ...options.headers };
  if (options.as) headers['rahat-principal'] = await keys.signer.sign(options.as);
  const response = await fetch(url + route, {
    method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
    body: options.body,
    headers,
  });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    id: response.headers.get('x-request-id'),
    body: (await response.json()) as Record<string, unknown>,
  };
}

describe('an application', () => {
  it('lets a handler be called by whom it declares, and by nobody when it declares nothing', async () => {
    expect((await call('/api/v2/things/open')).status).toBe(200);
    expect((await call('/api/v2/things/me')).status).toBe(401);
    expect((await call('/api/v2/things/me', { as: viewer })).body).toEqual({ subject: 'user_1' });
    expect((await call('/api/v2/things', { as: viewer })).status).toBe(200);
    expect((await call('/api/v2/things', { as: viewer, body: '{}' })).body).toMatchObject({
      status: 403,
      code: 'forbidden',
      detail: 'The role or key lacks: plan:write',
    });
    expect((await call('/api/v2/things/undeclared', { as: owner })).status).toBe(403);
    expect((await call('/internal/v1/things/grant', { as: owner, body: '{"id":"1"}' })).status).toBe(403);
  });

  it('lets who has to add a second factor do what is marked for that, whatever their scopes say', async () => {
    const limited = { ...owner, mustEnrol: true };
    expect((await call('/api/v2/things/enrolment', { as: limited })).status).toBe(200);
    expect((await call('/api/v2/things/open', { as: limited })).status).toBe(200);
    for (const path of ['/api/v2/things', '/api/v2/things/me', '/api/v2/things/undeclared'])
      expect((await call(path, { as: limited })).body).toMatchObject({ status: 403, code: 'second_factor_required' });
    expect((await call('/api/v2/things/me', { as: owner })).status).toBe(200);
  });

  it('refuses a wrong principal also where none is needed', async () => {
    expect((await call('/api/v2/things/open', { headers: { 'rahat-principal': 'x.y.z' } })).status).toBe(401);
  });

  it('coerces and defaults what comes in, and points at every mistake', async () => {
    const made = await call('/api/v2/things', { as: owner, body: JSON.stringify({ name: 'a', address: { host: 'h' } }) });
    expect(made).toMatchObject({ status: 201, body: { address: { host: 'h', port: 5432 } } });
    const refused = await call('/api/v2/things', {
      as: owner,
      body: JSON.stringify({ name: '', address: { host: 1, port: 'x' }, 'a/b': 1 }),
    });
    expect(refused).toMatchObject({ status: 422, type: expect.stringContaining('application/problem+json') });
    expect(refused.body).toMatchObject({
      code: 'invalid_input',
      type: '/api/errors/invalid_input',
      retryable: false,
      instance: refused.id,
    });
    expect((refused.body.errors as { pointer: string }[]).map(({ pointer }) => pointer).sort()).toEqual([
      '#',
      '#/address/host',
      '#/address/port',
      '#/name',
    ]);
    expect((await call('/api/v2/things?limit=7', { as: owner })).body).toMatchObject({ limit: 7 });
    expect((await call('/api/v2/things?limit=abc', { as: owner })).body).toMatchObject({ status: 422, errors: [{ pointer: '#/limit' }] });
  });

  it('tells every kind of error as a problem, and never its inside', async () => {
    const id = newId('request');
    expect(await call('/nowhere', { headers: { 'x-request-id': id } })).toMatchObject({
      status: 404,
      id,
      type: expect.stringContaining('application/problem+json'),
      body: { code: 'not_found', instance: id },
    });
    expect((await call('/nowhere', { headers: { 'x-request-id': 'other' } })).id).toMatch(/^request_[0-9a-f]{32}$/);
    expect((await call('/api/v2/things/failing/conflict')).body).toMatchObject({ status: 409, code: 'conflict', detail: 'taken' });
    expect((await call('/api/v2/things/failing/rahat')).body).toMatchObject({
      status: 507,
      code: 'storage_full',
      detail: 'nas is full',
      retryable: true,
      hint: expect.stringContaining('Free space'),
    });
    for (const how of ['internal', 'unexpected']) {
      const { status, body } = await call(`/api/v2/things/failing/${how}`);
      expect([status, body.code]).toEqual([500, 'internal']);
      expect(JSON.stringify(body)).not.toMatch(/secret|hunter2|stack|\.ts/);
    }
    expect((await call('/api/v2/things', { as: owner, body: '{"a":"hunter2' })).body).toMatchObject({
      status: 400,
      code: 'malformed_request',
      detail: 'The body is not valid JSON.',
    });
    expect((await call('/api/v2/things', { as: owner, body: `"${'x'.repeat(1_100_000)}"` })).body).toMatchObject({
      status: 413,
      code: 'payload_too_large',
    });
    const deep = (levels: number) => `{"name":"\\"[[","address":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect((await call('/api/v2/things', { as: owner, body: deep(40) })).body).toMatchObject({ status: 400, code: 'malformed_request' });
    expect((await call('/api/v2/things', { as: owner, body: deep(20) })).body).toMatchObject({ status: 422 });
    const hidden = Buffer.from(`{"name":"\u2200","address":${'['.repeat(40)}${']'.repeat(40)}}`, 'utf16le');
    const utf16 = { 'content-type': 'application/json; charset=utf-16le' };
    expect((await call('/api/v2/things', { as: owner, body: hidden, headers: utf16 })).body).toMatchObject({
      status: 400,
      detail: 'The body is not UTF-8.',
    });
    expect((await call('/api/v2/things', { as: owner, body: '<a/>', headers: { 'content-type': 'text/xml' } })).body).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
    expect((await call('/api/v2/things', { as: owner, body: '{}', headers: { 'content-encoding': 'compress' } })).body).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
    const wrongMethod = await fetch(`${url}/api/v2/THINGS/me/`, { method: 'DELETE' });
    expect([wrongMethod.headers.get('allow'), await wrongMethod.json()]).toEqual([
      'GET, HEAD',
      expect.objectContaining({ status: 405, code: 'method_not_allowed' }),
    ]);
    expect((await call('/api/errors/nothing_of_ours')).body).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('has a page for every code that a problem can have', async () => {
    for (const [code, { title, status }] of Object.entries(ERROR_CATALOGUE)) {
      const page = await fetch(`${url}/api/errors/${code}`);
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`${code} (HTTP ${status})\n${title}\n`)]);
    }
  });

  it.each([
    ['headers beyond any need', `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['what is not HTTP', 'HELLO\r\n\r\n', 400, 'malformed_request'],
    [
      'a body of two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
  ])('answers %s with a problem, too', async (_what, bytes, status, code) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) }, () => socket.write(bytes));
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('X-Request-Id: request_');
    expect(JSON.parse(body!)).toMatchObject({ status, code });
  });

  /** So much in chunks, of a body that never ends. */
  const chunked = (bytes: number) =>
    `POST /api/v2/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `${(1024).toString(16)}\r\n${'['.repeat(1024)}\r\n`.repeat(bytes / 1024);

  it.each([
    ['a body of no told length', chunked(80 * 1024)],
    ['a body of a told length', 'POST /api/v2/things HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'],
  ])('refuses %s that is too large while it is being sent, and then hangs up', async (_what, bytes) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) }, () => socket.write(bytes));
    const began = performance.now();
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 413 .*application\/problem\+json/s);
    expect(JSON.parse(body!)).toMatchObject({ code: 'payload_too_large', detail: expect.stringContaining('64 KiB') });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('refuses one that becomes too large when it is unpacked', async () => {
    const body = gzipSync(`"${'x'.repeat(100_000)}"`);
    expect(body.length).toBeLessThan(1024);
    const refused = await call('/api/v2/things', { as: owner, body, headers: { 'content-encoding': 'gzip' } });
    expect(refused.body).toMatchObject({ status: 413, code: 'payload_too_large', detail: expect.stringContaining('64 KiB') });
  });

  it('gives cursors that only this installation can make', async () => {
    const { next } = (await call('/api/v2/things', { as: owner })).body as { next: string };
    expect((await call(`/api/v2/things?cursor=${next}`, { as: owner })).body).toEqual({ after: 'x' });
    for (const cursor of [`${next.slice(0, -2)}AA`, 'abc', Buffer.from('{"after":"y"}').toString('base64url')]) {
      expect((await call(`/api/v2/things?cursor=${cursor}`, { as: owner })).body).toMatchObject({ status: 422, code: 'invalid_input' });
    }
  });

  it('describes itself in OpenAPI 3.1, without internal routes, and the page loads nothing from elsewhere', async () => {
    const { body } = await call('/api/openapi.json');
    expect(body).toEqual(JSON.parse(JSON.stringify(await describeApi(ThingsModule, { title: 'things', version: '1.2.3' }))));
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    const document = body as any;
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).filter((route: string) => route.startsWith('/internal'))).toEqual([]);
    const create = document.paths['/api/v2/things'].post;
    expect(create.operationId).toBe('things_create');
    expect(create.requestBody.content['application/json'].schema).toEqual({ $ref: '#/components/schemas/CreateTestThing' });
    expect(create.responses['201'].content['application/json'].schema).toEqual({ $ref: '#/components/schemas/TestThing' });
    expect(create.responses.default.content['application/problem+json'].schema).toEqual({ $ref: '#/components/schemas/Problem' });
    const { schemas } = document.components;
    expect(schemas.TestThing.properties.seenAt).toEqual({ anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] });
    // A default makes the port optional on the way in, and certain on the way out.
    expect([schemas.TestAddressInput.required, schemas.TestAddress.required]).toEqual([['host'], ['host', 'port']]);
    expect(schemas.CreateTestThing.properties.address).toEqual({ $ref: '#/components/schemas/TestAddressInput' });
    expect(schemas.CreateTestThing.additionalProperties).toBe(false);
    expect(
      document.paths['/api/v2/things'].get.parameters.map((parameter: { name: string; in: string; required: boolean }) => [
        parameter.name,
        parameter.in,
        parameter.required,
      ]),
    ).toEqual([
      ['limit', 'query', false],
      ['cursor', 'query', false],
    ]);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!);
    expect(references.filter((name) => !(name in schemas))).toEqual([]);
    const page = await (await fetch(`${url}/api/docs`)).text();
    expect(page).toContain('swagger-ui');
    expect(page).not.toMatch(/(src|href)="https?:/);
  });

  it('tells the machines about its health and figures on another port', async () => {
    const ready = async () => (await fetch(`${operationsUrl}/readyz`)).status;
    expect([(await fetch(`${operationsUrl}/livez`)).status, (await fetch(`${operationsUrl}/startupz`)).status, await ready()]).toEqual([
      200, 200, 200,
    ]);
    databaseIsUp = false;
    expect(await ready()).toBe(503);
    databaseIsUp = true;
    const metrics = await (await fetch(`${operationsUrl}/metrics`)).text();
    expect(metrics).toContain('rahat_build_info{service="things",version="1.2.3"} 1');
    expect(metrics).toMatch(
      /rahat_http_request_duration_seconds_count\{method="GET",route="\/api\/v2\/things\/failing\/:how",status="507"\} 1/,
    );
    expect(metrics).toContain('bullmq_job_count 1');
    // The longest pause of the event loop; no process has none at all.
    expect(Number(/rahat_event_loop_lag_seconds\{percentile="100"\} (\S+)/.exec(metrics)?.[1])).toBeLessThan(60);
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
  });

  it('logs each request with its id, and no secret', async () => {
    const { id } = await call('/api/v2/things/open?token=hunter3', { headers: { authorization: 'Bearer hunter4', cookie: 'a=hunter5' } });
    const line = log.map((entry) => JSON.parse(entry)).find((entry) => entry.requestId === id);
    expect(line).toMatchObject({
      level: 'info',
      service: 'things',
      req: { method: 'GET', path: '/api/v2/things/open' },
      res: { status: 200 },
      msg: 'request answered',
    });
    const logger = createLogger('test', { level: 'info', destination: { write: (text) => void log.push(text) } });
    const failure = Object.assign(new Error('query failed', { cause: new Error('inner') }), { code: '23505', parameters: ['hunter6'] });
    logger.info(
      { err: failure, body: { password: 'hunter7', sealedKey: 'hunter8', list: [{ accessToken: 'hunter9' }], name: 'kept' } },
      'x',
    );
    expect(log.at(-1)).toContain('kept');
    expect(log.at(-1)).toContain('inner');
    expect(log.filter((text) => /hunter[3-9]/.test(text))).toEqual([]);
  });

  it('is asked by another service through the internal client', async () => {
    const client = new InternalClient(
      { service: 'scheduler', principals: keys.signer },
      { RAHAT_THINGS_URL: url, RAHAT_DEAD_URL: 'http://127.0.0.1:1' },
    );
    const Granted = z.object({ granted: z.string(), to: z.string(), in: z.string() });
    expect(await client.post('things', '/internal/v1/things/grant', { id: '1' }, Granted, 'org_9')).toEqual({
      granted: '1',
      to: 'scheduler',
      in: 'org_9',
    });
    await expect(client.post('things', '/internal/v1/things/grant', { id: 'missing' }, Granted, 'org_9')).rejects.toMatchObject({
      code: 'not_found',
      message: 'no such thing',
      hint: 'make it',
    });
    await expect(client.post('dead', '/x', {}, Granted, 'org_9')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(client.post('unknown', '/x', {}, Granted, 'org_9')).rejects.toMatchObject({ code: 'configuration_invalid' });
  });

  it('closes although clients keep their connections and streams', async () => {
    const stream = await fetch(`${url}/api/v2/things/stream`);
    await stream.body!.getReader().read();
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /api/v2/things/open HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    // Half a request keeps this connection from being idle.
    socket.write('GET /api/v2/things/open HTTP/1.1\r\n');
    await sleep(50);
    const closed = application.close();
    socket.write('Host: x\r\n\r\n');
    const [last] = (await once(socket, 'data')) as [Buffer];
    expect(last.toString()).toMatch(/^HTTP\/1.1 200 OK\r\n(.+\r\n)*Connection: close\r\n/);
    await closed;
    await expect(fetch(`${url}/api/v2/things/open`)).rejects.toThrow();
    socket.destroy();
  });
});
