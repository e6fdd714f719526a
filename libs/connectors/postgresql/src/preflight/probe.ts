import type { ConnectorContext, Probe } from '@rahat/connector-kit';
import type { RoutedConnection } from '../reach/index.js';
import { physicalFindings } from './physical-findings.js';
import { reachServer } from './reach-server.js';
import { toolFindings, versionFindings } from './version-findings.js';

/** The test button: is the server there, does it let us in, and what can be done with it? */
export async function probe(connection: RoutedConnection, context: ConnectorContext): Promise<Probe> {
  await using server = await reachServer(connection, context, 'rahat-probe');
  const { steps, rights, managed, identity, latencyMs, encrypted: tls } = server;
  const physical = [...versionFindings(rights), ...physicalFindings(rights, managed)];
  steps.push({
    name: 'rights',
    ok: true,
    ms: 0,
    detail: rights.superuser ? 'superuser' : 'ordinary user; each database is checked before its backup',
  });
  const logical = [...versionFindings(rights), ...(await toolFindings(rights.major, context.toolFolders))];
  const missingTool = logical.find((finding) => finding.code === 'tool_missing');
  steps.push({ name: 'tools', ok: missingTool === undefined, ms: 0, detail: missingTool?.message });
  return {
    identity,
    version: rights.version,
    major: String(rights.major),
    role: rights.recovery ? 'replica' : 'primary',
    latencyMs,
    tls,
    methods: [
      { method: 'postgresql.logical' as const, findings: logical },
      { method: 'postgresql.physical' as const, findings: physical },
    ].map(({ method, findings }) => ({ method, findings, usable: findings.every((finding) => finding.severity !== 'blocker') })),
    steps,
  };
}
