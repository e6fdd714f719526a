import { parseCommandLine, USAGE } from './command-line.js';
import { LICENSES } from './licenses.js';
import { checkRepository } from './commands/check.js';
import { listSnapshots } from './commands/list.js';
import { restoreSnapshot } from './commands/restore.js';
import { catObject, listObjects, showSnapshot } from './commands/show.js';
import { tell, writeOut } from './output.js';
import { readKeys } from './given-keys.js';
import { ReaderError } from './reader-error.js';
import { restoreSegments } from './restore/postgresql-segments.js';
import { Repository } from './repository.js';

const FAILED = 1;
const PARTIAL = 6;

// `rahat-reader … | head` closes our output early: nobody wants the rest.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : FAILED));

run(process.argv.slice(2)).then(
  (exitCode) => (process.exitCode = exitCode),
  (error: unknown) => {
    tell(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof ReaderError ? error.exitCode : FAILED;
  },
);

async function run(args: string[]): Promise<number> {
  const order = parseCommandLine(args);
  if (order.command === 'help') return writeOut(USAGE).then(() => 0);
  if (order.command === 'licenses') return writeOut(LICENSES).then(() => 0);
  const { options } = order;
  const repository = await Repository.open(order.repository, () => readKeys(options['passphrase-file'] ?? []));
  if (order.command === 'list') return (await listSnapshots(repository, options.json)) ? 0 : FAILED;
  if (order.command === 'check') return (await checkRepository(repository, options)) ? 0 : FAILED;
  if (order.command === 'wal') return (await restoreSegments(repository, order.snapshot, options)) ? 0 : PARTIAL;
  const manifest = await repository.findSnapshot(order.snapshot);
  if (order.command === 'show') return showSnapshot(manifest).then(() => 0);
  if (order.command === 'objects') return listObjects(manifest, options.json).then(() => 0);
  if (order.command === 'cat') return catObject(repository, manifest, order.key).then(() => 0);
  return (await restoreSnapshot(repository, manifest, { ...options, keepGoing: options['keep-going'] })) ? 0 : PARTIAL;
}
