import { runTool, type ConnectorContext, type Job } from '@rahat/connector-kit';
import { RahatError, type Finding, type PostgresqlConnection } from '@rahat/contracts';
import { databaseConninfo, toolConnection } from '../connect.js';
import { toolFailure } from '../logical/tool-failure.js';
import { damaged } from './damage.js';

/** pg_amcheck's exit code where it found damage. */
const FOUND_DAMAGE = 2;
const JOBS = 2;
/** As pg_amcheck's estimate counts them; what a server of other pages has is not worth a question. */
const PAGE_BYTES = 8192;

/** Runs pg_amcheck over one database that has the extension; gives a finding for each damaged relation. */
export async function runAmcheck(
  program: string,
  connection: PostgresqlConnection,
  { database, rebuilt, label }: { database: string; rebuilt: boolean; label: string },
  context: ConnectorContext,
  job: Job,
): Promise<Finding[]> {
  await using run = await runTool({
    program,
    args: [
      '--no-password',
      '--progress',
      `--jobs=${JOBS}`,
      '--heapallindexed',
      rebuilt ? '--rootdescend' : '--parent-check',
      databaseConninfo(database),
    ],
    ...(await toolConnection(connection, label, job.signal)),
    classify: (line) => {
      const pages = /relations \(.*\),\s+(\d+)\/\d+ pages/.exec(line)?.[1];
      if (pages === undefined) return undefined;
      job.progress({ phase: 'checking structure', object: database, bytes: Number(pages) * PAGE_BYTES });
      return 'drop';
    },
    scratchFolder: context.scratchFolder,
    signal: job.signal,
  });
  const report = new AmcheckReport();
  for await (const piece of run.stdout) report.add(piece.toString('utf8'));
  report.end();
  const exit = await run.exit;
  if (job.signal.aborted) throw new RahatError('cancelled', 'The check was cancelled');
  const findings = report.findings();
  if (exit.clean || (exit.code === FOUND_DAMAGE && findings.length > 0)) return findings;
  throw toolFailure('pg_amcheck', exit, connection);
}

/**
 * Gathers what pg_amcheck prints: a line that names the relation (`heap table "db.schema.t", block 0, offset 1:`), then its
 * messages, indented. A damaged table may have a line for each of its rows, so the first message is kept and the others counted.
 */
export class AmcheckReport {
  readonly #faults = new Map<string, { message: string; more: number }>();
  #relation: string | undefined;
  #telling = false;
  #open = '';

  add(text: string): void {
    const lines = (this.#open + text).split('\n');
    this.#open = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  end(): void {
    if (this.#open !== '') this.#line(this.#open);
    this.#open = '';
  }

  findings(): Finding[] {
    return [...this.#faults].map(([relation, { message, more }]) => damaged(relation, message, more));
  }

  #line(line: string): void {
    const head = /^(?:btree index|heap table) "(.+)"(?:, block \d+)?(?:, offset \d+)?(?:, attribute \d+)?:$/.exec(line);
    if (head) {
      this.#relation = head[1];
      this.#telling = true;
      return;
    }
    // What follows the first line of a message is its detail.
    if (this.#relation === undefined || !this.#telling || line.trim() === '') return;
    this.#telling = false;
    const known = this.#faults.get(this.#relation);
    if (known) known.more++;
    else this.#faults.set(this.#relation, { message: line.trim().replace(/^(ERROR|WARNING):\s*/, ''), more: 0 });
  }
}
