import type { ConnectorContext } from '@rahat/connector-kit';
import {
  BackupUse,
  type Finding,
  MOST_DATABASES_LOOKED_INTO,
  type PreflightFinding,
  type PreflightReport,
  type PreflightRequest,
  type PreflightSection,
  RahatError,
} from '@rahat/contracts';
import { streamOf } from '../connect.js';
import { discoverDatabases } from '../discover.js';
import { queryError } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { cureScript } from './cure-script.js';
import type { CurableFinding } from './cured.js';
import { databaseFindings } from './database-findings.js';
import { databasesOfProvider, managedFindings, managedSettingFix, type ManagedServer } from './managed-server.js';
import { physicalFindings } from './physical-findings.js';
import { poolerFindings } from './pooler-findings.js';
import { reachServer, type ReachedServer } from './reach-server.js';
import { replicationEntryFindings, replicationRoomFindings } from './replication-findings.js';
import { reportFacts } from './report-facts.js';
import {
  connectFindings,
  encryptionFindings,
  readReplicaState,
  replicaFindings,
  safetyFindings,
  secretFindings,
  toolSkewFindings,
  wraparoundFindings,
} from './server-findings.js';
import { readTokenMembership, tokenFindings } from './token-findings.js';
import { supportFindings, toolFindings, versionFindings } from './version-findings.js';

const LABEL = 'rahat-preflight';

type Found = CurableFinding & { database?: string };

/** All that can be told of a server before anything is planned for it. A server that can't be reached is thrown. */
export async function preflightReport(
  connection: RoutedConnection,
  request: PreflightRequest,
  context: ConnectorContext,
  now = new Date(),
): Promise<PreflightReport> {
  await using server = await reachServer(connection, context, LABEL);
  try {
    return await reportOn(server, connection, request, context, now);
  } catch (error) {
    context.signal.throwIfAborted();
    throw queryError(error, 'the preflight');
  }
}

async function reportOn(
  server: ReachedServer,
  connection: RoutedConnection,
  request: PreflightRequest,
  context: ConnectorContext,
  now: Date,
): Promise<PreflightReport> {
  const { client, rights, managed, identity, encrypted } = server;
  const uses = request.uses ?? BackupUse.options;
  const all = BackupUse.options;
  const findings: PreflightFinding[] = [];
  const add = (section: PreflightSection, concerned: readonly BackupUse[], found: readonly Found[]): void => {
    if (!concerned.some((use) => uses.includes(use))) return;
    findings.push(...found.map((finding) => ({ ...asProvided(finding, managed), section, uses: [...concerned] })));
  };

  add('reach', all, encryptionFindings(connection, { encrypted, remoteAddress: streamOf(client).remoteAddress }));
  add(
    'reach',
    all,
    await poolerFindings(client, connection, { database: connection.maintenanceDatabase, label: LABEL, signal: context.signal }),
  );
  const version = versionFindings(rights);
  add('version', all, [...version, ...supportFindings(rights, now)]);
  const tools = await toolFindings(rights.major, context.toolFolders);
  add('version', ['logical'], tools.length > 0 ? tools : await toolSkewFindings(rights, context.toolFolders));
  const replica = rights.recovery ? await readReplicaState(client) : undefined;
  if (replica) add('identity', all, replicaFindings(replica));
  if (managed) add('provider', all, managedFindings(managed));

  const physical = physicalFindings(rights, managed);
  add('rights', all, await secretFindings(client, rights));
  const tokenMember = await readTokenMembership(client);
  add('rights', all, tokenFindings(connection, tokenMember));
  const ofRole = (finding: Finding): boolean => finding.code === 'replication_right_missing';
  add('rights', ['physical', 'log'], physical.filter(ofRole));
  add(
    managed ? 'provider' : 'settings',
    ['physical', 'log'],
    physical.filter((finding) => !ofRole(finding)),
  );
  if (!managed && uses.some((use) => use !== 'logical')) {
    if (physical.length === 0) add('rights', ['physical', 'log'], await replicationEntryFindings(connection, context.signal));
    add('settings', ['log'], await replicationRoomFindings(client));
  }
  if (!managed) add('settings', ['physical', 'log'], await safetyFindings(client));
  add('health', all, await wraparoundFindings(client));

  const ofProvider = new Set(databasesOfProvider(managed));
  const known = (await discoverDatabases(client)).filter(({ name }) => !ofProvider.has(name));
  const looked = databasesToLookInto(known, request.databases);
  if (uses.includes('logical')) {
    const within = new Set(request.databases ?? known.map(({ name }) => name));
    add(
      'databases',
      ['logical'],
      (await connectFindings(client, rights.user)).filter(({ database }) => within.has(database)),
    );
    if (looked.leftOut > 0) add('databases', ['logical'], [leftOutFinding(looked.leftOut)]);
    const ofEvery = await databaseFindings(looked.names, connection, { rights, managed, label: LABEL, signal: context.signal });
    for (const { section, finding } of ofEvery) add(section, section === 'health' ? all : ['logical'], [finding]);
  }

  const head = { user: rights.user, version: rights.version, role: rights.recovery ? ('replica' as const) : ('primary' as const) };
  return {
    reachable: true,
    identity,
    ...head,
    provider: managed && { name: managed.name, title: managed.title, marks: managed.marks },
    facts: await reportFacts(server, connection, { replica, databases: known, tokenMember, toolFolders: context.toolFolders }),
    findings,
    uses: uses.map((use) => ({ use, usable: !findings.some((one) => one.severity === 'blocker' && one.uses.includes(use)) })),
    databases: looked.names,
    script: cureScript(findings, head),
  };
}

/** Nobody gets ALTER SYSTEM where the server belongs to a provider: there is a place of its own for settings. */
function asProvided(finding: Found, managed: ManagedServer | null): Found {
  const fix = managed && finding.cure && managedSettingFix(managed, finding.cure.sql);
  if (!fix) return finding;
  const { cure: _unusable, ...rest } = finding;
  return { ...rest, fix };
}

function databasesToLookInto(
  known: readonly { name: string; connectable: boolean }[],
  wanted: readonly string[] | undefined,
): { names: string[]; leftOut: number } {
  const missing = wanted?.find((name) => !known.some((database) => database.name === name));
  if (missing !== undefined)
    throw new RahatError('database_not_found', `There is no database '${missing}' on the server`, {
      hint: 'rahat-backup database list --discover shows which there are.',
    });
  const names = known.filter(({ name, connectable }) => connectable && (wanted?.includes(name) ?? true)).map(({ name }) => name);
  return { names: names.slice(0, MOST_DATABASES_LOOKED_INTO), leftOut: Math.max(0, names.length - MOST_DATABASES_LOOKED_INTO) };
}

function leftOutFinding(count: number): Finding {
  return {
    code: 'databases_not_looked_into',
    severity: 'info',
    message: `${count} databases were not looked into: a report takes ${MOST_DATABASES_LOOKED_INTO} at most.`,
    fix: 'Name the ones that matter.',
  };
}
