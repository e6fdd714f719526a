import { parseCommandLine, USAGE } from './command-line.js';
import { LICENSES } from './licenses.js';
import { checkRepository } from './commands/check.js';
import { listSnapshots } from './commands/list.js';
import { restoreSnapshot } from './commands/restore.js';
import { catObject, listObjects, showSnapshot } from './commands/show.js';
import { tell, writeOut } from './output.js';
import { readPassphrase } from './passphrase.js';
import { ReaderError } from './reader-error.js';
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
  const repository = await Repository.open(order.repository, () => readPassphrase(order.passphraseFile));
  switch (order.command) {
    case 'list':
      return (await listSnapshots(repository, order.json)) ? 0 : FAILED;
    case 'show':
      await showSnapshot(await repository.findSnapshot(order.snapshot));
      return 0;
    case 'objects':
      await listObjects(await repository.findSnapshot(order.snapshot), order.json);
      return 0;
    case 'cat':
      await catObject(repository, await repository.findSnapshot(order.snapshot), order.key);
      return 0;
    case 'check':
      return (await checkRepository(repository, order)) ? 0 : FAILED;
    case 'restore':
      return (await restoreSnapshot(repository, await repository.findSnapshot(order.snapshot), order)) ? 0 : PARTIAL;
  }
}
