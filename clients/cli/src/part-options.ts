import { Option, type Command } from '@commander-js/extra-typings';
import { collected, wholeNumber } from './option-values.js';

/**
 * Which part of a backup goes into an existing database, and how it meets what is there. Added one by one and not in the chain of
 * the command: through a generic function, a chain of so many typed options costs the compiler minutes.
 */
export function addPartOptions<Args extends unknown[], Opts extends Record<string, unknown>>(command: Command<Args, Opts>): void {
  const options = [
    new Option(
      '--from-database <name>',
      'physical backups: bring this database of the server into one that is named with --as, --replace or --into',
    ),
    new Option('--table <schema.table...>', 'only these tables'),
    new Option('--into <name>', 'with --table, --schema or --rows: bring them into this existing database'),
    new Option('--schema <name...>', 'with --into: all tables of these schemas'),
    new Option(
      '--rows <table:condition>',
      "with --into: some rows of a table: 'public.orders: customer_id = 7'; may be repeated",
    ).argParser(collected),
    new Option(
      '--conflict <how>',
      'with --into: aside (tables that are there are kept aside), or row by row replace (exactly the backup’s), missing (only those that lack) or overwrite (also those that differ)',
    ),
    new Option('--only <what>', 'with --into: data (make no table) or schema (bring no rows)'),
    new Option('--rename <from=to>', 'with --into: public.orders=public.orders_of_monday, or public=monday; may be repeated').argParser(
      collected,
    ),
    new Option('--safety-copy-days <n>', 'with --conflict: so long what was changed is kept for an undo (default: 7)').argParser(
      wholeNumber,
    ),
    new Option('--lock-wait <seconds>', 'with --conflict: so long the locks of others are waited for (default: 10)').argParser(wholeNumber),
  ];
  for (const option of options) command.addOption(option);
}
