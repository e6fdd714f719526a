import { describe, expect, it } from '@jest/globals';
import { partOf, type PartOptions } from './commands/restored-part.js';
import { addRepositoryCommands } from './repository-program.js';
import { addRestoreCommands } from './restore-program.js';
import { typedOptions } from './testing/typed-options.js';

const COMMANDS = { 'restore plan': addRestoreCommands, 'repository restore': addRepositoryCommands };

/** What is restored by what was typed. */
const typed = async (command: keyof typeof COMMANDS, ...args: string[]) =>
  partOf(await typedOptions<PartOptions>(COMMANDS[command], [...command.split(' '), ...args]));

describe.each(Object.keys(COMMANDS) as (keyof typeof COMMANDS)[])('%s', (command) => {
  const part = (...args: string[]) => typed(command, ...args);
  const orders = { schema: 'public', table: 'orders' };

  it('restores everything, or tables, or moves them into a database and what is there aside', async () => {
    expect(await part('--as', 'again')).toEqual({ intoExisting: false });
    expect(await part('--as', 'again', '--table', 'public.orders')).toEqual({ tables: [orders], intoExisting: false });
    expect(await part('--into', 'shop', '--table', 'public.orders')).toEqual({ tables: [orders], intoExisting: true });
    expect(await part('--into', 'shop', '--table', 'public.orders', '--conflict', 'aside')).toMatchObject({ intoExisting: true });
  });

  it('takes one database of a physical backup, whole or a part of it', async () => {
    expect(await part('--from-database', 'shop', '--as', 'again')).toEqual({ fromDatabase: 'shop', intoExisting: false });
    expect(await part('--from-database', 'shop', '--into', 'shop', '--table', 'public.orders', '--conflict', 'missing')).toMatchObject({
      fromDatabase: 'shop',
      tables: [orders],
      merge: { conflict: 'missing' },
    });
  });

  it('brings rows of tables, schemas and conditions into the tables that are there', async () => {
    expect(
      await part(
        ...['--into', 'shop', '--conflict', 'replace', '--table', 'public.orders', '--schema', 'crm', 'hr', '--only', 'data'],
        ...['--rows', 'public.line: id = 7', '--rows', 'public.log: id < 9', '--rename', 'crm=crm_of_monday'],
        ...['--safety-copy-days', '30', '--lock-wait', '5'],
      ),
    ).toEqual({
      tables: [orders],
      intoExisting: false,
      merge: {
        conflict: 'replace',
        content: 'data',
        schemas: ['crm', 'hr'],
        rows: [
          { schema: 'public', table: 'line', condition: 'id = 7' },
          { schema: 'public', table: 'log', condition: 'id < 9' },
        ],
        renames: [{ from: { schema: 'crm' }, to: { schema: 'crm_of_monday' } }],
        safetyCopyDays: 30,
        lockWaitSeconds: 5,
      },
    });
    expect((await part('--into', 'shop', '--schema', 'public', '--conflict', 'missing')).merge).toEqual({
      conflict: 'missing',
      content: 'all',
      schemas: ['public'],
      safetyCopyDays: 7,
      lockWaitSeconds: 10,
    });
  });

  it('makes tables without rows, which meet no others', async () => {
    expect((await part('--into', 'shop', '--schema', 'public', '--only', 'schema')).merge).toMatchObject({ content: 'schema' });
  });

  it.each([
    [['--as', 'again', '--rows', 'public.orders: id = 7'], '--rows needs --into'],
    [['--table', 'public.orders', '--conflict', 'replace'], '--conflict needs --into'],
    [['--into', 'shop'], '--into needs --table, --schema or --rows'],
    [['--into', 'shop', '--rows', 'public.orders: id = 7'], 'With --rows say by --conflict'],
    [['--into', 'shop', '--table', 'public.orders', '--only', 'data'], 'With --only say by --conflict'],
    [['--into', 'shop', '--schema', 'public', '--conflict', 'aside'], "--schema doesn't go with it"],
    [['--into', 'shop', '--table', 'public.orders', '--conflict', 'merge'], 'There is no conflict "merge"'],
    [['--into', 'shop', '--table', 'public.orders', '--conflict', 'replace', '--only', 'rows'], 'There is no choice for --only "rows"'],
    [['--into', 'shop', '--table', 'public.orders', '--conflict', 'replace', '--safety-copy-days', '0'], 'safetyCopyDays: '],
    [['--into', 'shop', '--table', 'public.orders', '--conflict', 'replace', '--lock-wait', '601'], 'lockWaitSeconds: '],
  ])('refuses %j', async (args, message) => {
    await expect(part(...args)).rejects.toThrow(message);
  });
});
