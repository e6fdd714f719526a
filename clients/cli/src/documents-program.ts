import type { Command } from '@commander-js/extra-typings';
import type { CommandRunner } from './command-runner.js';
import { collected } from './option-values.js';

type Documents = typeof import('./commands/documents.js');

const FILE = '-f, --file <place>';
const FILE_HELP = 'YAML or JSON file, folder of them, or - for standard input; may be repeated';
const PRUNE_HELP = 'also delete plans, templates, servers and groups that no document names';

/** The organization as documents (apiVersion rahat.io/v1alpha1), for version control. */
export function addDocumentCommands<Args extends unknown[], Opts extends Record<string, unknown>>(
  program: Command<Args, Opts>,
  run: CommandRunner,
): void {
  const documents = () => import('./commands/documents.js');
  program
    .command('apply')
    .description('make the organization as the documents say; applied again, nothing changes')
    .requiredOption(FILE, FILE_HELP, collected)
    .option('--prune', PRUNE_HELP, false)
    .option('--dry-run', 'only say what would change', false)
    .action(
      run(async (terminal, options: Parameters<Documents['applyDocuments']>[1]) => (await documents()).applyDocuments(terminal, options)),
    );
  program
    .command('diff')
    .description('say what apply would change; exit code 0 when nothing, 7 when something')
    .requiredOption(FILE, FILE_HELP, collected)
    .option('--prune', PRUNE_HELP, false)
    .action(
      run(async (terminal, options: Parameters<Documents['diffDocuments']>[1]) => (await documents()).diffDocuments(terminal, options)),
    );
  program
    .command('export')
    .description('print the organization as YAML documents; secrets are references')
    .option('--kind <kind>', 'only these, e.g. Plan; may be repeated', collected, [])
    .action(
      run(async (terminal, options: Parameters<Documents['exportDocuments']>[1]) => (await documents()).exportDocuments(terminal, options)),
    );
}
