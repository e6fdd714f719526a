import { RahatError } from '@rahat/contracts';
import { CommanderError } from '@commander-js/extra-typings';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { buildProgram } from './program.js';

const json = process.argv.includes('--json');

process.once('SIGINT', () => process.exit(EXIT.cancelled));
// `rahat-backup … | head` closes our output early; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed));

// `rahat-backup` alone is the check that everybody wants first.
const given = process.argv.slice(2);
const command = given.some((argument) => !argument.startsWith('-') || ['-h', '--help', '-V', '--version'].includes(argument))
  ? given
  : ['status', ...given];

try {
  await buildProgram({ quiet: json }).parseAsync(command, { from: 'user' });
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError && (error.exitCode === 0 || !json)) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const ours =
    error instanceof CommanderError ? new RahatError('invalid_input', error.message.replace(/^error: /, '')) : RahatError.from(error);
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: false, error: ours.serialize() })}\n`);
  } else {
    process.stderr.write(`error: ${ours.message}\n`);
    if (ours.hint) process.stderr.write(`  → ${ours.hint}\n`);
    process.stderr.write(`  (${ours.code})\n`);
  }
  if (process.argv.includes('--debug')) console.error(ours);
  return exitCodeOf(ours.code);
}
