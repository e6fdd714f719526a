import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, ensureBuilt, nx } from '../workspace/compilation.mjs';
import { productNode } from '../workspace/node-version.mjs';
import { root, say } from '../workspace/workspace.mjs';
import { ensureDebianPackages } from './debian-packages.mjs';
import { ensureEmbeddedServers } from './embedded-servers.mjs';
import { ensureNewestPostgresqlClients } from './newest-postgresql-clients.mjs';
import { ensurePostgresql16Clients } from './postgresql-16-clients.mjs';
import { ensureS3Servers } from './s3-servers.mjs';

const CHECKS = ['lint', 'formatting', 'unused'];
/** Fails on an engine that needs far more work than its stages; alone on the machine, before the tests. */
const QUICK_BENCH = ['bench/dist/main.js', '--suite', 'repository', '--quick', '--runs', '1'];

/**
 * Everything: set-up of the machine, build, checks, tests. Arguments go to Jest (then the checks are left out).
 * The last line on stdout is `N passed, N failed`; gives the exit code.
 */
export async function runTests(jestArguments) {
  ensureDebianPackages();
  ensureEmbeddedServers();
  ensureNewestPostgresqlClients();
  ensureS3Servers();
  ensurePostgresql16Clients();
  const counts = { passed: 0, failed: 0 };
  if (jestArguments.length > 0) ensureBuilt();
  else {
    build();
    counts.passed += 1;
    for (const check of CHECKS) counts[nx(['run', `rahat-backup:${check}`]) === 0 ? 'passed' : 'failed'] += 1;
    counts[runQuickBench() === 0 ? 'passed' : 'failed'] += 1;
  }
  const jest = runJest(jestArguments);
  counts.passed += jest.passed;
  counts.failed += jest.failed;
  for (const name of jest.failures) say(`✗ ${name}`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

function runQuickBench() {
  return spawnSync(productNode(), QUICK_BENCH, { cwd: root, stdio: ['ignore', 2, 2] }).status;
}

function runJest(jestArguments) {
  const folder = mkdtempSync(path.join(tmpdir(), 'rahat-tests-'));
  const report = path.join(folder, 'report.json');
  try {
    const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', path.join(root, 'node_modules/jest/bin/jest.js')];
    const options = ['--maxWorkers=2', '--json', `--outputFile=${report}`, ...jestArguments];
    const { status } = spawnSync(productNode(), [...args, ...options], {
      cwd: root,
      // The report goes to the file; what Jest prints of it on stdout would bury the last line.
      stdio: ['ignore', 'ignore', 2],
      env: { ...process.env, PATH: `${path.join(root, 'node_modules/.bin')}${path.delimiter}${process.env.PATH}` },
    });
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const failures = result.testResults.flatMap((suite) => [
      ...suite.assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName),
      ...(suite.status === 'failed' && suite.assertionResults.length === 0 ? [path.relative(root, suite.name)] : []),
    ]);
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return { passed: result.numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed, failures };
  } catch (error) {
    say(`Jest did not finish: ${error.message}`);
    return { passed: 0, failed: 1, failures: ['jest'] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
