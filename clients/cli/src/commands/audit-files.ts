import { createReadStream, createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { auditExport, auditVerify } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { EXIT } from '../exit-codes.js';
import { answer, openApi } from '../session/api.js';
import type { Terminal } from '../terminal/terminal.js';

const KeySet = z.object({ keys: z.array(z.looseObject({ kid: z.string() })).min(1) });
/** `audit keys --json` prints its envelope; the set alone is taken too. */
const KeyFile = z.union([KeySet, z.object({ data: KeySet }).transform(({ data }) => data)]);

export interface ExportOptions {
  format: 'jsonl' | 'csv';
  after: number;
  to?: string;
}

export async function exportTrail(terminal: Terminal, { format, after, to }: ExportOptions): Promise<void> {
  if (to === undefined && terminal.json)
    throw new RahatError('invalid_input', 'With --json the trail needs a file of its own.', { hint: 'Give --to FILE.' });
  const { client } = await openApi();
  const body = await answer(auditExport({ client, query: { format, after }, parseAs: 'stream' }));
  const stream = Readable.fromWeb(body as unknown as Parameters<typeof Readable.fromWeb>[0]);
  if (to === undefined) {
    await pipeline(stream, process.stdout, { end: false });
    return;
  }
  try {
    await pipeline(stream, createWriteStream(to, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new RahatError('conflict', `${to} is there already.`, { hint: 'Give a new file.' });
  }
  terminal.result({ file: to, format }, `The trail is in ${to}.${format === 'jsonl' ? ` Check it with: audit verify --file ${to}` : ''}`);
}

export interface VerifyOptions {
  file?: string;
  keys?: string;
  head?: string;
}

export async function verifyTrail(terminal: Terminal, options: VerifyOptions): Promise<void> {
  const verdict = options.file === undefined ? await verifyPlatform(options) : await verifyFile(terminal, options.file, options);
  if (!verdict.intact) process.exitCode = EXIT.failed;
  const dropped =
    verdict.droppedThrough === null ? '' : ` Entries up to ${verdict.droppedThrough} were dropped by the policy, as a signed mark says.`;
  terminal.result(
    verdict,
    verdict.intact
      ? `${terminal.paint('green', 'The trail is whole')}: ${verdict.entries} entries, ${verdict.signedHeads} signed heads.${dropped}`
      : `${terminal.paint('red', `The trail is broken at entry ${verdict.brokenAt}`)}: ${verdict.reason}`,
  );
}

async function verifyPlatform({ head, keys }: VerifyOptions) {
  if (keys !== undefined) throw new RahatError('invalid_input', '--keys belongs to --file.');
  const { client } = await openApi();
  return answer(auditVerify({ client, query: { head } }));
}

async function verifyFile(terminal: Terminal, file: string, { head, keys }: VerifyOptions) {
  const trusted = keys === undefined ? undefined : await keysIn(keys);
  const { verifyExport } = await import('@rahat/audit-trail');
  const input = createReadStream(file, 'utf8');
  try {
    const lines = createInterface({ input, crlfDelay: Infinity });
    const verdict = await verifyExport(lines, { trusted, noted: head === undefined ? [] : [head] });
    if (trusted === undefined)
      terminal.say(`The keys came with the file (${verdict.keys.join(', ')}): compare them with the platform's, or give --keys.`);
    return verdict;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new RahatError('not_found', `There is no file ${file}.`);
    throw error;
  } finally {
    input.destroy();
  }
}

async function keysIn(file: string) {
  try {
    return KeyFile.parse(JSON.parse(await readFile(file, 'utf8'))).keys;
  } catch (cause) {
    throw new RahatError('invalid_input', `${file} is no set of public keys.`, {
      hint: 'Give what `rahat-backup audit keys` printed.',
      cause,
    });
  }
}
