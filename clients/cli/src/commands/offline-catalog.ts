import { EXIT } from '../exit-codes.js';
import { age, bytes, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { openOffline, type Opening } from './open-offline.js';

/** What the repository itself knows; with --json everything of it. */
export async function printCatalog(terminal: Terminal, options: Opening): Promise<void> {
  const { engine } = await openOffline(options);
  const entries = await Array.fromAsync(engine.catalog());
  const data = entries.map((entry) => (entry.ok ? entry : { ...entry, error: { code: entry.error.code, message: entry.error.message } }));
  const rows = data.map((entry) => {
    const place =
      entry.place === 'trash' ? 'in the trash' : entry.ok && entry.lockedUntil ? `locked until ${entry.lockedUntil.toISOString()}` : '';
    if (!entry.ok) return [entry.id, 'DAMAGED', visible(entry.error.message), '', '', '', place];
    const { server, database, method, consistentAt, sizeBytes } = entry.facts;
    return [
      entry.id,
      visible(server.name),
      visible(database?.name ?? '(whole server)'),
      method,
      age(consistentAt),
      bytes(sizeBytes),
      place,
    ];
  });
  terminal.result(data, table(['SNAPSHOT', 'SERVER', 'DATABASE', 'METHOD', 'TAKEN', 'SIZE', ''], rows));
  if (data.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
}
