import { InvalidArgumentError, Option, type Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { wholeNumber } from './option-values.js';

type Audit = typeof import('./commands/audit.js');
type AuditFiles = typeof import('./commands/audit-files.js');

/** The trail of who did what: to read, to give away, and to prove. */
export function addAuditCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const trail = () => import('./commands/audit.js');
  const files = () => import('./commands/audit-files.js');
  const command = program.command('audit').description('who did what, and the proof that nobody changed it');
  const filtered = (name: string, description: string) =>
    command
      .command(name)
      .description(description)
      .option('--actor <id>', 'a user, an API key, or a service')
      .option('--action <action>', 'an action or its beginning, as server.')
      .option('--kind <kind>', 'kind of what was acted upon, as server')
      .option('--target <id>', 'what was acted upon')
      .option('--address <address>', 'where it came from')
      .option('--request <id>', 'id of the request')
      .option('--from <time>', 'from this time on, as 2026-11-01 or 2026-11-01T08:00:00Z')
      .option('--to <time>', 'before this time')
      .option('--limit <count>', 'so many, newest first', wholeNumber, 50);

  filtered('list', 'entries, newest first').action(
    run(async (terminal, options: Parameters<Audit['listEntries']>[1]) => (await trail()).listEntries(terminal, options)),
  );
  filtered('search', 'entries with all of these words, or words that begin so')
    .argument('<words...>')
    .action(
      run(async (terminal, words: string[], options: Parameters<Audit['listEntries']>[1]) =>
        (await trail()).listEntries(terminal, options, words.join(' ')),
      ),
    );
  command
    .command('show')
    .description('one entry, with what was before and after')
    .argument('<number>', 'its number in the trail', wholeNumber)
    .action(run(async (terminal, sequence: number) => (await trail()).showEntry(terminal, sequence)));
  command
    .command('head')
    .description('sign the trail as it stands; keep the answer elsewhere, and give it to `audit verify --head`')
    .action(run(async (terminal) => (await trail()).signHead(terminal)));
  command
    .command('export')
    .description('write the trail with its signed heads to a file, or to standard output')
    .addOption(
      new Option('--format <format>', 'jsonl can be verified offline').choices(['jsonl', 'csv'] as const).default('jsonl' as const),
    )
    .option('--after <number>', 'only what came after this entry', wholeNumber, 0)
    .option('--to <file>', 'a new file')
    .action(run(async (terminal, options: Parameters<AuditFiles['exportTrail']>[1]) => (await files()).exportTrail(terminal, options)));
  command
    .command('keys')
    .description('the public keys of signed heads; keep them elsewhere, and give them to `audit verify --keys`')
    .action(run(async (terminal) => (await trail()).showKeys(terminal)));
  command
    .command('verify')
    .description(
      'check the hash chain and the signed heads, of the platform or of an exported file without it; exit code 1 when it is broken',
    )
    .option('--file <file>', 'an export (jsonl); needs no platform')
    .option('--keys <file>', 'with --file: trust only these public keys, as `audit keys --json` printed them')
    .option('--head <head>', 'a head that was noted elsewhere, signed or as 64 hex digits')
    .action(run(async (terminal, options: Parameters<AuditFiles['verifyTrail']>[1]) => (await files()).verifyTrail(terminal, options)));
  command
    .command('retention')
    .description('how long the trail is kept, or keep it for so many days (90 and more), or for ever')
    .option('--keep-days <days>', 'a number, or forever', keptDays)
    .action(
      run(async (terminal, { keepDays }: { keepDays?: number | 'forever' }) =>
        (await trail()).retention(terminal, keepDays === 'forever' ? null : keepDays),
      ),
    );
}

/** Commander takes null for nothing at all. */
function keptDays(text: string): number | 'forever' {
  if (text === 'forever') return text;
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('A number of days is needed, or forever.');
  return Number(text);
}
