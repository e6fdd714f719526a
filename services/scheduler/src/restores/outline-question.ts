import { randomUUID } from 'node:crypto';
import type { RunSecrets } from '@rahat/contracts';
import type { ServerSecrets } from '../servers/server-secrets.js';
import type { ServerRow } from '../servers/servers.table.js';

const OUTLINE_MS = 120_000;

/** Of a spec that a worker only looks into. A question is no run; its id only binds the secrets to it. */
export async function outlineHead(
  sealing: Pick<ServerSecrets, 'sealForPool'>,
  { organization, server, secrets }: { organization: string; server: ServerRow; secrets: RunSecrets },
  now: Date,
) {
  const run = `outline_${randomUUID().replaceAll('-', '')}`;
  return {
    version: 1 as const,
    run,
    attempt: 1,
    organization,
    engine: server.engine,
    server: { id: server.id, name: server.name },
    deadline: new Date(now.getTime() + OUTLINE_MS).toISOString(),
    noProgressSeconds: 60,
    sealedSecrets: await sealing.sealForPool(server.pool, secrets, `${run}/1`),
  };
}
