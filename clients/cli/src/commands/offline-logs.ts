import type { OfflineLogStream } from '@rahat/execution';
import { EXIT } from '../exit-codes.js';
import { bytes, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { openOffline, type KitOpening } from './open-offline.js';

export async function listLogs(terminal: Terminal, options: KitOpening): Promise<void> {
  const repository = await openOffline(options);
  const streams = await repository.logs();
  terminal.result(streams, streams.length === 0 ? 'The repository holds no continuous log.' : streams.map(described).join('\n\n'));
  if (streams.some(({ damage }) => damage.length > 0)) process.exitCode = EXIT.failed;
}

function described({ stream, server, sizeBytes, windows, damage }: OfflineLogStream): string {
  const of = server ? ` of ${visible(server.name)} (${visible(server.version)})` : '';
  const rows = windows.map((window, index) => {
    const former = windows[index - 1];
    const gap = former?.timeline === window.timeline ? `gap of ${former.end} to ${window.start} before it` : '';
    return [String(window.timeline), window.start, window.end, window.firstCommitAt ?? '', window.lastCommitAt ?? '', gap];
  });
  return [
    `${stream}${of}, ${bytes(sizeBytes)}`,
    table(['TIMELINE', 'FROM', 'TO', 'FIRST COMMIT', 'LAST COMMIT', ''], rows),
    ...damage.map((message) => `! ${visible(message)}`),
  ].join('\n');
}
