import { deadLettersDiscard, deadLettersGet, deadLettersList, deadLettersRetry } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

export async function listDeadLetters(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const letters = await allPages((cursor) => answer(deadLettersList({ client, query: { cursor, limit: 200 } })));
  terminal.result(
    letters,
    letters.length === 0
      ? 'There are no dead letters.'
      : table(
          ['ID', 'MESSAGE', 'DIED', 'WHY'],
          letters.map(({ id, name, diedAt, error }) => [id, name, diedAt, error.message]),
        ),
  );
}

export async function showDeadLetter(terminal: Terminal, id: string): Promise<void> {
  const { client } = await openApi();
  const letter = await answer(deadLettersGet({ client, path: { id } }));
  terminal.result(
    letter,
    `${letter.name} of the queue ${letter.queue}, given up after ${letter.attempts} tries at ${letter.diedAt}\n${letter.error.code}: ${letter.error.message}\n${JSON.stringify(letter.payload, null, 2)}`,
  );
}

export async function retryDeadLetter(terminal: Terminal, id: string): Promise<void> {
  const { client } = await openApi();
  await answer(deadLettersRetry({ client, path: { id } }));
  terminal.result({ id }, `${id} is back in its queue.`);
}

export async function discardDeadLetter(terminal: Terminal, id: string): Promise<void> {
  const { client } = await openApi();
  await answer(deadLettersDiscard({ client, path: { id } }));
  terminal.result({ id }, `${id} is gone.`);
}
