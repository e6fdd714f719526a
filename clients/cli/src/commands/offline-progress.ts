import type { OfflineOptions } from '@rahat/execution';
import { bytes, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

/** A live line for work on a repository. */
export function offlineProgress(terminal: Terminal): NonNullable<OfflineOptions['onProgress']> {
  return ({ phase, bytes: done, totalBytes, object }) => {
    terminal.progress(`${phase} ${bytes(done)}${totalBytes ? ` of ${bytes(totalBytes)}` : ''}${object ? `  ${visible(object)}` : ''}`);
  };
}
