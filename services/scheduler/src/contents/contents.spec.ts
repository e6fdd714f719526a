import { once } from 'node:events';
import { request as openRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RahatError, type ContentOrder, type ContentUpload, type Principal } from '@rahat/contracts';
import { PRINCIPAL_HEADER } from '@rahat/service-kit';
import { startTestScheduler, type TestScheduler } from '../testing/start-test-scheduler.js';

let scheduler: TestScheduler;
let backup: string;
let base: string;
/** What the worker was asked, and where to bring it. */
let asked: { order: ContentOrder; to: ContentUpload; powers: string[] }[];

beforeAll(async () => {
  scheduler = await startTestScheduler();
  const plan = await scheduler.plan();
  const [run] = (await scheduler.call('POST', `/api/v2/plans/${plan.id}/runs`)).body.runs;
  backup = (await scheduler.until(run.id, 'succeeded')).backup!;
  base = `/api/v2/backups/${backup}`;
});
afterAll(async () => scheduler?.[Symbol.asyncDispose]());
beforeEach(() => {
  asked = [];
  brings((upload) => upload.end('contents'));
});

function post({ url, ticket }: ContentUpload): ClientRequest {
  const upload = openRequest(url, { method: 'POST', headers: { authorization: `Bearer ${ticket}` }, agent: false });
  upload.on('error', () => undefined);
  return upload;
}

/** The worker opens its way to the scheduler, and does this there. */
function brings(act: (upload: ClientRequest) => void): void {
  scheduler.worker.read = async ({ order }, secrets) => {
    const to = secrets.upload!;
    asked.push({ order, to, powers: secrets.repositories.map(({ credential }) => credential.power) });
    act(post(to));
    return { started: true };
  };
}

async function fetchContents(path: string, signal?: AbortSignal): Promise<Response> {
  const token = await scheduler.application.principalToken(scheduler.admin);
  return fetch(`${scheduler.application.url}${base}${path}`, { headers: { [PRINCIPAL_HEADER]: token }, signal });
}

const answerOf = async (upload: ClientRequest): Promise<IncomingMessage> => ((await once(upload, 'response')) as [IncomingMessage])[0];

describe('the contents of a backup', () => {
  it('are asked of a worker with a key that reads, and come as what they are', async () => {
    brings((upload) => upload.end('{"relations":[]}'));
    expect((await scheduler.call('GET', `${base}/objects`)).body).toEqual({ relations: [] });
    const rows = await scheduler.call('GET', `${base}/rows?schema=public&name=orders&limit=7`);
    expect(rows.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(rows.headers.get('cache-control')).toBe('no-store');
    const { headers } = await scheduler.call('GET', `${base}/download?schema=public&name=a/..%22b&format=csv&formulaSafe=true`);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="public.a____b.csv"');
    await scheduler.call('GET', `${base}/download?globals=true`);
    await scheduler.call('GET', `${base}/ddl?schema=public&name=orders`);
    expect(asked.map(({ order }) => order)).toEqual([
      { kind: 'outline' },
      { kind: 'rows', schema: 'public', name: 'orders', offset: 0, limit: 7 },
      { kind: 'table', schema: 'public', name: 'a/.."b', format: 'csv', formulaSafe: true },
      { kind: 'globals' },
      { kind: 'ddl', schema: 'public', name: 'orders' },
    ]);
    expect(new Set(asked.flatMap(({ powers }) => powers))).toEqual(new Set(['read']));
    expect(new Set(asked.map(({ to }) => to.ticket)).size).toBe(5);
  });

  it('are kept in the trail before anything of them was seen, whatever came of it', async () => {
    scheduler.told.length = 0;
    scheduler.worker.read = () => Promise.reject(new RahatError('not_found', 'There is no such table'));
    const refused = await scheduler.call('GET', `${base}/download?schema=public&name=nothing`);
    expect([refused.status, refused.body.code]).toEqual([404, 'not_found']);
    brings((upload) => upload.end('{"rows":[]}'));
    await scheduler.call('GET', `${base}/rows?schema=public&name=orders`);
    const acts = scheduler.told.map(({ payload }) => payload as { action: string; details: { what: ContentOrder } });
    expect(acts.map(({ action, details }) => [action, details.what.kind])).toEqual([
      ['backup.downloaded', 'table'],
      ['backup.rows_read', 'rows'],
    ]);
    expect(JSON.stringify(acts)).not.toContain(asked[0]!.to.ticket);
  });

  it('are for who may download, of the servers that they reach, and of logical backups', async () => {
    const viewer: Principal = { ...scheduler.admin, role: 'viewer', scopes: ['backup:read'] };
    const elsewhere: Principal = { ...scheduler.admin, role: 'operator', scopes: ['backup:download'], serverGroups: ['group_other'] };
    for (const path of ['/objects', '/ddl?schema=a&name=b', '/rows?schema=a&name=b', '/download?globals=true']) {
      expect((await scheduler.call('GET', base + path, undefined, viewer)).status).toBe(403);
      expect((await scheduler.call('GET', base + path, undefined, elsewhere)).status).toBe(404);
    }
    for (const wrong of ['', '?schema=a', '?globals=true&schema=a&name=b', '?schema=a&name=b&format=xml'])
      expect((await scheduler.call('GET', `${base}/download${wrong}`)).status).toBe(422);
    const physical = await scheduler.plan({ method: 'postgresql.physical' });
    const [run] = (await scheduler.call('POST', `/api/v2/plans/${physical.id}/runs`)).body.runs;
    const { backup: whole } = await scheduler.until(run.id, 'succeeded');
    expect((await scheduler.call('GET', `/api/v2/backups/${whole}/objects`)).body.code).toBe('conflict');
    expect(asked).toEqual([]);
  });

  it('are an error, and no shorter file, when the worker dies in the middle', async () => {
    let upload!: ClientRequest;
    brings((opened) => {
      upload = opened;
      upload.write('half');
    });
    const response = await fetchContents('/download?schema=public&name=orders');
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('half');
    upload.destroy();
    await expect(reader.read()).rejects.toThrow();
  });

  it('are no longer sent when their reader leaves', async () => {
    let upload!: ClientRequest;
    brings((opened) => {
      upload = opened;
      upload.write('first');
    });
    const leaving = new AbortController();
    const response = await fetchContents('/download?schema=public&name=orders', leaving.signal);
    await response.body!.getReader().read();
    const closed = new Promise((resolve) => upload.once('close', resolve));
    leaving.abort();
    await closed;
    expect(upload.destroyed).toBe(true);
  });

  it('wait for who takes them slowly', async () => {
    let upload!: ClientRequest;
    brings((opened) => {
      upload = opened;
    });
    const answering = fetchContents('/download?schema=public&name=orders');
    while (!upload) await new Promise((resolve) => setTimeout(resolve, 5));
    // More than all buffers between hold.
    const piece = Buffer.alloc(1 << 20, 'x');
    let written = 0;
    const pump = (): void => {
      while (written < 60) {
        written++;
        if (!upload.write(piece)) return void upload.once('drain', pump);
      }
      upload.end();
    };
    pump();
    const response = await answering;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(written).toBeLessThan(40);
    let bytes = 0;
    for await (const part of response.body!) bytes += (part as Uint8Array).length;
    expect(bytes).toBe(60 << 20);
    expect((await answerOf(upload)).statusCode).toBe(204);
  });

  it('are taken once, from who has the ticket, and only while somebody waits', async () => {
    await scheduler.call('GET', `${base}/objects`);
    const { to } = asked[0]!;
    for (const ticket of [to.ticket, 'x'.repeat(43), '']) {
      const upload = post({ ...to, ticket });
      upload.end('forged');
      expect((await answerOf(upload)).statusCode).toBe(404);
    }
    const leaving = new AbortController();
    let bring!: () => ClientRequest;
    scheduler.worker.read = async (_question, secrets) => {
      bring = () => post(secrets.upload!);
      leaving.abort();
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { started: true };
    };
    await expect(fetchContents('/objects', leaving.signal)).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const late = bring();
    late.end('late');
    expect((await answerOf(late)).statusCode).toBe(404);
  });
});
