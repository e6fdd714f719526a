import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  embeddedToolFolders,
  KIT_FORMATS,
  makeRecoveryKit,
  renderKit,
  sheetFileName,
  type KitFormat,
  type KitSheet,
} from '@rahat/execution';
import { isS3Address, parseS3Address, RahatError, repositoryPlace } from '@rahat/contracts';
import { EXIT } from '../exit-codes.js';
import { bytes, visible } from '../terminal/format.js';
import { untilInterrupted } from '../terminal/interrupt.js';
import type { Terminal } from '../terminal/terminal.js';
import { openLocated, openOffline, type KitOpening, type Opening } from './open-offline.js';
import { parseShares } from './repository-keys.js';

export async function makeKit(terminal: Terminal, options: Opening & { to: string; name?: string; shares?: string }): Promise<void> {
  const format = formatOf(options.to);
  const shares = options.shares === undefined ? undefined : parseShares(options.shares);
  const { engine } = await openOffline(options);
  const files: string[] = [];
  const order = { place: placeOnPaper(options.path), name: options.name, madeAt: new Date(), shares };
  const { slot } = await makeRecoveryKit(engine.keys, order, async (sheets) => {
    files.push(...(await writeSheets(sheets, options.to, format)));
  });
  const who = shares ? 'Give each sheet to another person' : 'Print it';
  terminal.result(
    { slot, files },
    [...files, `Key ${slot} opens the repository from now on. ${who}, then remove the file from this machine.`].join('\n'),
  );
}

function formatOf(file: string): KitFormat {
  const format = KIT_FORMATS.find((name) => path.extname(file).toLowerCase() === `.${name}`);
  if (format) return format;
  throw new RahatError('invalid_input', `"${file}" does not say what kind of file the kit shall be.`, {
    hint: 'Let it end in .pdf or .txt.',
  });
}

/** Complete: what came from this machine's environment stands in it too. */
function placeOnPaper(place: string): string {
  if (!isS3Address(place)) return path.resolve(place);
  return repositoryPlace(parseS3Address(place, process.env), '');
}

/** All of them or none. */
async function writeSheets(sheets: KitSheet[], file: string, format: KitFormat): Promise<string[]> {
  const stem = path.basename(file, path.extname(file));
  const written: string[] = [];
  try {
    for (const sheet of sheets) {
      const target = path.resolve(path.dirname(file), sheetFileName(sheet, stem, format));
      const content = await renderKit(sheet, format);
      await using handle = await open(target, 'wx', 0o600);
      written.push(target);
      await handle.writeFile(content);
      await handle.sync();
    }
    return written;
  } catch (cause) {
    for (const target of written) await rm(target, { force: true });
    if (cause instanceof RahatError) throw cause;
    throw new RahatError('invalid_input', `The kit cannot be written: ${(cause as Error).message}`, { cause });
  }
}

export async function drill(terminal: Terminal, options: KitOpening & { snapshot: string }): Promise<void> {
  const { place, repository } = await openLocated(options);
  const evidence = await repository.verify(options.snapshot, 'FULL', {
    signal: untilInterrupted('Cancelled; a drill changes nothing.'),
    toolFolders: embeddedToolFolders(),
    onProgress: (progress) => terminal.progress(`${progress.phase} ${bytes(progress.bytes)}`),
  });
  const damage = evidence.findings.filter(({ severity }) => severity === 'blocker');
  const { snapshot, tables, restoredOn } = evidence;
  const rows = tables.reduce((sum, { actualRows }) => sum + actualRows, 0);
  terminal.result(
    { repository: repository.id, place, ...evidence },
    [
      ...damage.map(({ message }) => `${terminal.paint('red', 'damage')} ${visible(message)}`),
      damage.length === 0
        ? `${terminal.paint('green', 'Restored')} ${snapshot} on ${visible(restoredOn ?? 'a server of its own')}: ${tables.length} tables with ${rows} rows are what was backed up.`
        : `${terminal.paint('red', 'FAILED')}: ${snapshot} does not come back whole.`,
    ].join('\n'),
  );
  if (damage.length > 0) process.exitCode = EXIT.failed;
}
