import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RahatError, type AuthenticatedSubject } from '@rahat/contracts';
import type { Response } from 'express';
import { CredentialWatch } from './credential-watch.js';
import { endWithCredential, isEventStream } from './ending-streams.js';

const ADA: AuthenticatedSubject = {
  kind: 'user',
  subject: 'user_1',
  name: 'Ada',
  organization: 'org_1',
  role: 'viewer',
  scopes: ['run:read', 'backup:read'],
  serverGroups: null,
  expiresAt: '2100-01-01T00:00:00.000Z',
  session: 'session_1',
};

/** How the credential looks at each further look; the last one again and again. */
let looks: (AuthenticatedSubject | Error)[] = [];
let looked = 0;
let server: Server;
beforeAll(async () => {
  server = createServer((_request, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': begin\n\n');
    const look = async () => {
      looked += 1;
      const now = looks.length > 1 ? looks.shift()! : looks[0]!;
      if (now instanceof Error) throw now;
      return now;
    };
    endWithCredential(response as Response, new CredentialWatch(look, 20), 'of Ada', { began: ADA, address: '192.0.2.1' });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function follow(): Promise<string> {
  looked = 0;
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return response.text().then(
    () => 'ended',
    () => 'cut off',
  );
}

describe('an event stream', () => {
  it.each<[string, AuthenticatedSubject | Error]>([
    ['was revoked', new RahatError('unauthenticated', 'The session was ended.')],
    ['may do less', { ...ADA, scopes: ['backup:read'] }],
    ['is limited to server groups', { ...ADA, serverGroups: ['group_1'] }],
    ['belongs to another organization', { ...ADA, organization: 'org_2' }],
  ])('ends when its credential %s', async (_name, last) => {
    looks = [ADA, new RahatError('unavailable', 'Auth is being restarted.'), last];
    expect(await follow()).toBe('cut off');
    expect(looked).toBeGreaterThanOrEqual(3);
  });
});

describe('what counts as an event stream', () => {
  it.each([
    ['GET', '/api/v2/events', true],
    ['GET', '/api/v2/runs/run_1/events/?x=1', true],
    ['POST', '/api/v2/events', false],
    ['GET', '/api/v2/plans', false],
  ])('%s %s', (method, url, expected) => expect(isEventStream(method, url)).toBe(expected));
});
