import { parseArgs } from 'node:util';
import { ReaderError } from './reader-error.js';

export const USAGE = `rahat-reader – reads repositories of Rahat Backup (format 1) without the product

  rahat-reader list      REPOSITORY                      snapshots, oldest first
  rahat-reader show      REPOSITORY SNAPSHOT             what a snapshot says about itself
  rahat-reader objects   REPOSITORY SNAPSHOT             its objects
  rahat-reader cat       REPOSITORY SNAPSHOT KEY         one object to standard output
  rahat-reader check     REPOSITORY [--data]             structure; with --data every byte of every file
  rahat-reader restore   REPOSITORY SNAPSHOT --to DIR    into a new or empty folder, in a form that stock tools take
                         [--objects]                     every object as a file instead
                         [--keep-going]                  with --objects: leave damaged objects out and name them
  rahat-reader licenses                                  of the parts built into this file

REPOSITORY is the folder with rahat.json (copy an object store's content to a folder first). SNAPSHOT is an id, the
unique beginning of one, or "latest". It never writes to the repository.

  --passphrase-file FILE   else it is asked for at the terminal; /dev/stdin works
  --json                   list, objects, check: for programs

Exit codes: 0 done, 1 damaged or failed, 2 wrong usage, 3 wrong passphrase, 4 not found, 6 restored in part.
`;

export type Order =
  | { command: 'help' }
  | { command: 'licenses' }
  | ({ repository: string; passphraseFile: string | undefined; json: boolean } & (
      | { command: 'list' }
      | { command: 'show'; snapshot: string }
      | { command: 'objects'; snapshot: string }
      | { command: 'cat'; snapshot: string; key: string }
      | { command: 'check'; data: boolean }
      | { command: 'restore'; snapshot: string; to: string; objects: boolean; keepGoing: boolean }
    ));

const OPTIONS = {
  'passphrase-file': { type: 'string' },
  json: { type: 'boolean', default: false },
  data: { type: 'boolean', default: false },
  to: { type: 'string' },
  objects: { type: 'boolean', default: false },
  'keep-going': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export function parseCommandLine(args: string[]): Order {
  const { values, positionals } = parse(args);
  const [command, repository, ...rest] = positionals;
  if (values.help || command === undefined || command === 'help') return { command: 'help' };
  if (command === 'licenses') return { command };
  if (repository === undefined) throw new ReaderError('usage', 'The repository is missing.');
  const common = { repository, passphraseFile: values['passphrase-file'], json: values.json };
  const exactly = (...names: string[]): string[] => {
    if (rest.length !== names.length) throw new ReaderError('usage', `${command} takes ${['REPOSITORY', ...names].join(' ')}.`);
    return rest;
  };
  switch (command) {
    case 'list':
      exactly();
      return { ...common, command };
    case 'check':
      exactly();
      return { ...common, command, data: values.data };
    case 'show':
    case 'objects': {
      const [snapshot = ''] = exactly('SNAPSHOT');
      return { ...common, command, snapshot };
    }
    case 'cat': {
      const [snapshot = '', key = ''] = exactly('SNAPSHOT', 'KEY');
      return { ...common, command, snapshot, key };
    }
    case 'restore': {
      const [snapshot = ''] = exactly('SNAPSHOT');
      if (values.to === undefined) throw new ReaderError('usage', 'Say where to restore: --to DIR.');
      if (values['keep-going'] && !values.objects) throw new ReaderError('usage', '--keep-going goes with --objects.');
      return { ...common, command, snapshot, to: values.to, objects: values.objects, keepGoing: values['keep-going'] };
    }
    default:
      throw new ReaderError('usage', `There is no command "${command}". See rahat-reader --help.`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new ReaderError('usage', `${(cause as Error).message}. See rahat-reader --help.`, { cause });
  }
}
