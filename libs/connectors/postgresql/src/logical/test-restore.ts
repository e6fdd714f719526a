import type { ArtifactSource, ConnectorContext, Job, TestRestoreFacts } from '@rahat/connector-kit';
import { RahatError, type Assertion, type Finding } from '@rahat/contracts';
import { checkAssertions } from '../assertions/check-assertions.js';
import { installHint } from '../required-tool.js';
import { checkStructure, describeStructure } from '../structure/check-structure.js';
import { startThrowawayServer } from '../throwaway/index.js';
import { findTools } from '../tools.js';
import { restoreLogically } from './logical-restore.js';
import { openStoredDump } from './stored-dump.js';

const DATABASE = 'rahat_test_restore';

/** Restores everything into a server of its own, with the exact proof of `compareRows` and a look at its pages, and removes the server. */
export async function testLogicalRestore(
  source: ArtifactSource,
  context: ConnectorContext,
  job: Job,
  assertions: readonly Assertion[],
): Promise<TestRestoreFacts> {
  const dump = await openStoredDump(source);
  const major = await serverMajor(dump.major, context.toolFolders);
  const findings: Finding[] =
    major === dump.major
      ? []
      : [
          {
            code: 'test_server_newer',
            severity: 'info',
            message: `The test restore ran on PostgreSQL ${major}; the backup is of ${dump.major}, whose server programs are not on the worker.`,
            fix: `Install postgresql-${dump.major} on the worker.`,
          },
        ];
  await using server = await startThrowawayServer({
    major,
    scratchFolder: context.scratchFolder,
    toolFolders: context.toolFolders,
    signal: job.signal,
  });
  const restored = await restoreLogically(
    server.connection,
    {
      target: { kind: 'database', name: DATABASE, replace: false },
      label: 'test',
      createMissingRoles: true,
    },
    source,
    context,
    job,
    true,
  );
  const structure = await checkStructure(server, DATABASE, true, context, job);
  findings.push(...restored.findings.filter((finding) => finding.code !== 'roles_missing'));
  return {
    ...restored,
    assertions: await checkAssertions(server.connection, assertions, () => DATABASE, job),
    findings: [...findings, ...structure.findings, describeStructure([structure])],
    restoredOn: `throwaway PostgreSQL ${server.version}`,
  };
}

async function serverMajor(wanted: number, folders: readonly string[]): Promise<number> {
  const majors = (await findTools(folders))
    .filter((tools) => tools.postgres && tools.initdb && tools.major >= wanted)
    .map((tools) => tools.major);
  const [nearest] = majors;
  if (nearest === undefined)
    throw new RahatError('tool_missing', `Server programs of PostgreSQL ${wanted} or newer are not on the worker`, {
      hint: installHint(wanted).replace('postgresql-client-', 'postgresql-'),
    });
  return nearest;
}
