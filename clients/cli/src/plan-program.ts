import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { byteSize, collected, orNone, wholeNumber } from './option-values.js';

type Plans = typeof import('./commands/plans.js');
type Care = typeof import('./commands/plan-care.js');

/** Plans and the templates that they can be made of. */
export function addPlanCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const plans = () => import('./commands/plans.js');
  const care = () => import('./commands/plan-care.js');
  const templates = () => import('./commands/templates.js');
  const plan = program.command('plan').description('what to back up, when, where to and how long to keep it');
  withPlanOptions(plan.command('create'))
    .requiredOption('--name <name>', 'name to show')
    .requiredOption('--repository <repository>', 'name or id')
    .option('--method <method>', 'logical or physical (default: logical)')
    .option('--template <template>', 'start from this template; other options go before it')
    .action(run(async (terminal, options: Parameters<Plans['createPlan']>[1]) => (await plans()).createPlan(terminal, options)));
  plan
    .command('list')
    .option('--server <server>', 'plans that name this server')
    .option('--tag <tags>', 'key or key=value; several separated by commas must all be carried')
    .action(run(async (terminal, options: Parameters<Plans['listPlans']>[1]) => (await plans()).listPlans(terminal, options)));
  plan
    .command('show')
    .argument('<plan>', 'name or id')
    .action(run(async (terminal, name: string) => (await care()).showPlan(terminal, name)));
  withPlanOptions(plan.command('update').description('change what is named').argument('<plan>', 'name or id'))
    .option('--name <name>', 'new name')
    .option('--by-hand', 'without any schedule', false)
    .action(
      run(async (terminal, name: string, options: Parameters<Care['updatePlan']>[2]) => (await care()).updatePlan(terminal, name, options)),
    );
  plan
    .command('note')
    .description('write a note on a plan; an empty one takes it away')
    .argument('<plan>', 'name or id')
    .argument('<text>')
    .action(
      run(async (terminal, name: string, text: string) => (await import('./commands/annotations.js')).notePlan(terminal, name, text)),
    );
  plan
    .command('pause')
    .description('nothing of it starts until it is resumed; its occurrences are told as skipped')
    .argument('<plan>', 'name or id')
    .option('--reason <text>')
    .option('--until <time>', 'resume by itself then, e.g. 2026-12-01T06:00:00+03:00')
    .action(
      run(async (terminal, name: string, options: Parameters<Care['pausePlan']>[2]) => (await care()).pausePlan(terminal, name, options)),
    );
  plan
    .command('resume')
    .argument('<plan>', 'name or id')
    .action(run(async (terminal, name: string) => (await care()).resumePlan(terminal, name)));
  plan
    .command('explain')
    .description('what a plan’s schedules or a cron expression mean: words, next runs, changes of the clock, collisions')
    .argument('<plan|cron>', 'name or id of a plan, or a cron expression such as "30 2 * * 1-5"')
    .option('--time-zone <zone>', 'IANA zone of the cron expression', 'UTC')
    .option('--server <server>', 'look for collisions with the plans of this server')
    .option('--lang <language>', 'en or tr', 'en')
    .action(
      run(async (terminal, wanted: string, options: Parameters<Care['explain']>[2]) => (await care()).explain(terminal, wanted, options)),
    );
  plan
    .command('retention')
    .description('what retention would remove now, and why the rest stays')
    .argument('<plan>', 'name or id')
    .option('--confirm <hash>', 'remove what was shown with this hash, however much it is')
    .action(
      run(async (terminal, name: string, options: { confirm?: string }) =>
        (await import('./commands/plan-retention.js')).planRetention(terminal, name, options),
      ),
    );
  plan
    .command('delete')
    .description('delete a plan; its backups stay')
    .argument('<plan>', 'name or id')
    .action(run(async (terminal, name: string) => (await care()).deletePlan(terminal, name)));

  const template = program.command('template').description('outlines of plans to start from');
  template.command('list').action(run(async (terminal) => (await templates()).listTemplates(terminal)));
  template
    .command('show')
    .argument('<template>', 'name or id')
    .action(run(async (terminal, name: string) => (await templates()).showTemplate(terminal, name)));
}

function withPlanOptions<Args extends unknown[], Opts extends Record<string, unknown>>(command: Command<Args, Opts>) {
  return command
    .option('--server <server>', 'name or id; may be repeated', collected)
    .option('--server-group <group>', 'servers of this group, future ones too; may be repeated', collected)
    .option('--server-tag <tag>', 'servers with this tag, future ones too; may be repeated', collected)
    .option('--databases <names>', 'all, or names and patterns (shop_*) separated by commas')
    .option('--exclude <pattern>', 'databases to leave out; may be repeated', collected)
    .option('--database-tag <tag>', 'only databases with this tag; may be repeated', collected)
    .option('--cron <expression>', 'five fields or @daily …; without it, only by hand')
    .option('--time-zone <zone>', 'IANA zone of the cron expressions (default: UTC)')
    .option('--schedule <type=cron>', 'e.g. full="0 3 * * 0"; may be repeated', collected)
    .option('--jitter <minutes>', 'start up to so much later', wholeNumber)
    .option('--priority <n>', '1 = first, 100 = last', wholeNumber)
    .option('--tag <tag>', 'key or key=value; may be repeated', collected)
    .option('--keep-last <n>', 'backups to keep', wholeNumber)
    .option('--keep-proven <n>', 'proven backups that are never deleted', wholeNumber)
    .option('--keep-days <n>', 'all that are so much older than the newest at most; or none', orNone(wholeNumber))
    .option('--keep-hourly <n>', 'one for each of the last so many hours that have one', wholeNumber)
    .option('--keep-daily <n>', 'the same for days', wholeNumber)
    .option('--keep-weekly <n>', 'for weeks', wholeNumber)
    .option('--keep-monthly <n>', 'for months', wholeNumber)
    .option('--keep-yearly <n>', 'for years', wholeNumber)
    .option('--max-size <size>', 'of one database’s backups before deduplication, e.g. 500GB; or none', orNone(byteSize))
    .option('--verify <levels>', 'BASIC, DATABASE, FULL, separated by commas; or none')
    .option('--verify-every <level=n>', 'that level only after every nth backup, e.g. FULL=7; may be repeated', collected)
    .option(
      '--verify-schedule <level=cron>',
      'the newest backup at these times, e.g. FULL="0 5 * * 0"; none removes them; may be repeated',
      collected,
    )
    .option('--assertions <file>', 'JSON or YAML list of queries that each test restore has to answer; none removes them')
    .option('--deep', 'recount every table inside the dump’s snapshot')
    .option(
      '--continuous-log <seconds>',
      'physical plans: keep the log, committed after so many seconds at most; or none',
      orNone(wholeNumber),
    )
    .option('--log-heartbeat <seconds>', 'with --continuous-log: a transaction on an idle server after so long; 0 = never', wholeNumber)
    .option('--log-way <way>', 'with --continuous-log: follow, through a replication slot, or push, by the server’s archive_command')
    .option('--source <where>', 'primary, prefer-replica or replica-only: which server the backups are read from')
    .option('--source-lag <seconds>', 'with --source: how far behind a standby may be (default: 60)', wholeNumber)
    .option('--limit-rate <size>', 'read so much in a second at most, e.g. 20MB; or none', orNone(byteSize))
    .option('--limit-runs <n>', 'backups of the plan on one server at once; or none', orNone(wholeNumber))
    .option('--limit-replica-lag <seconds>', 'read slower when a standby is so far behind; or none', orNone(wholeNumber))
    .option('--limit-replica-lag-bytes <size>', 'the same by bytes of the log; or none', orNone(byteSize))
    .option('--limit-transactions <seconds>', 'read slower when another transaction is open for so long; or none', orNone(wholeNumber))
    .option('--limit-lock-waits <n>', 'read slower when so many sessions wait for locks that are not ours; or none', orNone(wholeNumber))
    .option(
      '--limit-io-waits <percent>',
      'read slower when so many of the sessions at work wait for the disk; or none',
      orNone(wholeNumber),
    )
    .option(
      '--yield-after <seconds>',
      'give way to a change of a table that waits for a dump; tried again later; or none',
      orNone(wholeNumber),
    )
    .option('--catch-up <how>', 'once or skip: what a missed time leads to')
    .option('--deadline-minutes <n>', 'longest time of an attempt', wholeNumber)
    .option('--stalled-minutes <n>', 'an attempt ends when nothing moved for so long', wholeNumber);
}
