import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { RahatError, type PostgresqlConnection } from '@rahat/contracts';
import { embeddedToolFolders, listTools, startThrowawayServer } from '@rahat/execution';
import type { DemoResult } from './demo-result.js';
import { tellLogicalStory } from './logical-story.js';
import { tellPhysicalStory } from './physical-story.js';
import { startPlatform } from './platform.js';
import { shopStatements } from './shop-schema.js';
import { tell } from './steps.js';
import { withClient } from './table-proof.js';

const json = process.argv.includes('--json');
const scale = Number(process.env['RAHAT_DEMO_SCALE'] ?? '1');

try {
  const result = await runDemo();
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `\n${describe(result)}\n`);
  process.exitCode = result.proven ? 0 : 1;
} catch (error) {
  const { code, message, hint } = RahatError.from(error);
  tell(`The demo failed: ${message}${hint ? ` ${hint}` : ''}`);
  if (json) process.stdout.write(`${JSON.stringify({ proven: false, error: { code, message } })}\n`);
  process.exitCode = 1;
}

async function runDemo(): Promise<DemoResult> {
  const started = Date.now();
  // Directly below the system's folder for temporary files: the server's own user must be able to reach it.
  const folder = await mkdtemp(path.join(process.env['RAHAT_DEMO_FOLDER'] ?? '/tmp', 'rahat-demo-'));
  await chmod(folder, 0o711);
  const toolFolders = embeddedToolFolders();
  const tools = await listTools(toolFolders);
  const complete =
    tools.find(({ pgDump, pgRestore, initdb, postgres }) => pgDump && pgRestore && initdb && postgres) ?? matchingMajors(tools);
  const signal = AbortSignal.timeout(30 * 60_000);
  try {
    await using source = await startThrowawayServer({
      major: complete?.major,
      scratchFolder: folder,
      toolFolders,
      signal,
      settings: { wal_level: 'replica', max_wal_senders: '4', max_wal_size: '2GB' },
    });
    const databaseBytes = await buildShop(source.connection);
    tell(`✓ sample shop database on PostgreSQL ${source.version}: ${(databaseBytes / 1e6).toFixed(0)} MB`);
    await using platform = await startPlatform({
      dataFolder: path.join(folder, 'data'),
      email: 'demo@example.org',
      password: randomBytes(18).toString('base64'),
    });
    tell(`✓ platform at ${platform.url}`);
    if (!complete)
      tell(
        '! There is no pg_dump of the server’s major version on this machine, so this shows the physical path. `apt-get install postgresql` brings the logical one.',
      );
    const story = complete
      ? await tellLogicalStory(platform, source.connection, folder)
      : await tellPhysicalStory(platform, source.connection, folder, toolFolders);
    return { ...story, serverVersion: source.version, databaseBytes, seconds: Math.round((Date.now() - started) / 100) / 10 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A server and the clients of its major version may stand in different folders. */
function matchingMajors(tools: Awaited<ReturnType<typeof listTools>>) {
  return tools.find(
    (server) =>
      server.initdb && server.postgres && tools.some((client) => client.major === server.major && client.pgDump && client.pgRestore),
  );
}

async function buildShop(connection: PostgresqlConnection): Promise<number> {
  await withClient(connection, 'postgres', (client) => client.query('CREATE DATABASE shop'));
  return withClient(connection, 'shop', async (client) => {
    for (const statement of shopStatements(scale)) await client.query(statement);
    const { rows } = await client.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes');
    return Number(rows[0]!.bytes);
  });
}

function describe(result: DemoResult): string {
  return [
    result.proven ? 'Proven: this database can be restored.' : 'NOT proven.',
    `  ${result.tables} tables and ${result.rows} rows compared, ${result.mismatches} mismatches, ${result.seconds} s`,
    `  ${(result.databaseBytes / 1e6).toFixed(0)} MB database → ${(result.firstStoredBytes / 1e6).toFixed(1)} MB stored; a day later ${(result.secondStoredBytes / 1e6).toFixed(1)} MB more`,
  ].join('\n');
}
