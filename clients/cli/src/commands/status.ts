import { statusGet, type Status } from '@rahat/api-client';
import { EXIT } from '../exit-codes.js';
import { answer, openApi } from '../session/api.js';
import { age, duration, table, visible } from '../terminal/format.js';
import type { Colour, Terminal } from '../terminal/terminal.js';

type DatabaseState = Status['databases'][number]['state'];
const COLOURS: Record<DatabaseState, Colour> = {
  proven: 'green',
  stored: 'yellow',
  overdue: 'red',
  failing: 'red',
  never: 'red',
  unprotected: 'yellow',
};

export async function status(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const current = await answer(statusGet({ client }));
  const rows = current.databases.map((database) => [
    database.state.toUpperCase(),
    database.serverName,
    database.databaseName,
    ageOf(database.backupAgeSeconds, database.allowedAgeSeconds),
    ageOf(database.proofAgeSeconds, null),
    age(database.nextRunAt),
    database.lastError?.message ?? '',
  ]);
  const lines = table(['STATE', 'SERVER', 'DATABASE', 'AGE OF BACKUP', 'AGE OF PROOF', 'NEXT', 'PROBLEM'], rows).split('\n');
  const painted = lines.map((line, index) =>
    index === 0 ? terminal.paint('dim', line) : terminal.paint(COLOURS[current.databases[index - 1]!.state], line),
  );
  const streams = current.streams.map(
    ({ serverName, state, lagSeconds, message }) =>
      `log of ${serverName}: ${state}${lagSeconds === null ? '' : `, ${duration(Math.round(lagSeconds))} behind`}${message ? `: ${visible(message)}` : ''}`,
  );
  terminal.result(
    current,
    [terminal.paint('bold', current.sentence), '', ...painted, ...(streams.length > 0 ? ['', ...streams] : [])].join('\n'),
  );
  process.exitCode = current.streams.some(({ state }) => state === 'broken')
    ? EXIT.failed
    : exitCode(current.databases.map(({ state }) => state));
}

/** With what the schedules allow, where they say something. */
function ageOf(seconds: number | null, allowed: number | null): string {
  if (seconds === null) return '–';
  return allowed === null ? duration(seconds) : `${duration(seconds)} of ${duration(allowed)}`;
}

function exitCode(states: DatabaseState[]): number {
  if (states.includes('failing')) return EXIT.failed;
  return states.some((state) => state === 'overdue' || state === 'never') ? EXIT.overdue : EXIT.ok;
}
