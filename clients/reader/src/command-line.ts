import { parseArgs } from 'node:util';
import { ReaderError } from './reader-error.js';

export const USAGE = `rahat-reader – reads repositories of Rahat Backup (format 1) without the product

  rahat-reader list      REPOSITORY                      snapshots and logs, oldest first
  rahat-reader show      REPOSITORY SNAPSHOT             what a snapshot says about itself
  rahat-reader objects   REPOSITORY SNAPSHOT             its objects
  rahat-reader cat       REPOSITORY SNAPSHOT KEY         one object to standard output
  rahat-reader check     REPOSITORY [--data]             structure; with --data every byte of every file
  rahat-reader restore   REPOSITORY SNAPSHOT --to DIR    into a new or empty folder, in a form that stock tools take
                         [--objects]                     every object as a file instead
                         [--keep-going]                  with --objects: leave damaged objects out and name them
  rahat-reader wal       REPOSITORY STREAM --to DIR      a log of PostgreSQL as segment files for its restore_command
                         [--from LSN] [--until LSN]      only what holds these positions
  rahat-reader licenses                                  of the parts built into this file

REPOSITORY is the folder with rahat.json (copy an object store's content to a folder first). SNAPSHOT is an id, the
unique beginning of one, or "latest". It never writes to the repository.

  --passphrase-file FILE   with the passphrase, a recovery key or a share as printed, or a whole recovery kit in text; may be
                           given once for each share. Without it they are asked for at the terminal.
  --json                   list, objects, check: for programs

Exit codes: 0 done, 1 damaged or failed, 2 wrong usage, 3 wrong passphrase, 4 not found, 6 restored in part.
`;

const ARGUMENTS = {
  list: [],
  show: ['SNAPSHOT'],
  objects: ['SNAPSHOT'],
  cat: ['SNAPSHOT', 'KEY'],
  check: [],
  restore: ['SNAPSHOT'],
  wal: ['STREAM'],
} as const;

const OPTIONS = {
  'passphrase-file': { type: 'string', multiple: true },
  json: { type: 'boolean', default: false },
  data: { type: 'boolean', default: false },
  to: { type: 'string', default: '' },
  from: { type: 'string', default: '' },
  until: { type: 'string', default: '' },
  objects: { type: 'boolean', default: false },
  'keep-going': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type Options = ReturnType<typeof parse>['values'];
type Command = keyof typeof ARGUMENTS;

/** `snapshot` (or a stream) and `key` are empty where the command takes none. */
export type Order =
  { command: 'help' } | { command: 'licenses' } | { command: Command; repository: string; snapshot: string; key: string; options: Options };

/** Throws `usage` where the arguments make no sense. */
export function parseCommandLine(args: string[]): Order {
  const { values: options, positionals } = parse(args);
  const [command = 'help', repository = '', snapshot = '', key = ''] = positionals;
  if (options.help || command === 'help') return { command: 'help' };
  if (command === 'licenses') return { command };
  if (!Object.hasOwn(ARGUMENTS, command)) throw new ReaderError('usage', `There is no command "${command}". See rahat-reader --help.`);
  const names = ['REPOSITORY', ...ARGUMENTS[command as Command]];
  if (positionals.length !== names.length + 1) throw new ReaderError('usage', `${command} takes ${names.join(' ')}.`);
  if (['restore', 'wal'].includes(command) && options.to === '') throw new ReaderError('usage', 'Say where to restore: --to DIR.');
  if (options['keep-going'] && !options.objects) throw new ReaderError('usage', '--keep-going goes with --objects.');
  return { command: command as Command, repository, snapshot, key, options };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new ReaderError('usage', `${(cause as Error).message}. See rahat-reader --help.`, { cause });
  }
}
