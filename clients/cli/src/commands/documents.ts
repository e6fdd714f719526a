import { documentsApply, documentsExport, type DocumentChange } from '@rahat/api-client';
import { stringify } from 'yaml';
import { EXIT } from '../exit-codes.js';
import { answer, openApi } from '../session/api.js';
import { readDocuments, secretsOf } from '../session/document-files.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

interface Files {
  file: string[];
  prune: boolean;
}

export async function applyDocuments(terminal: Terminal, options: Files & { dryRun: boolean }): Promise<void> {
  const applied = await send(options, options.dryRun);
  terminal.result(applied, described(terminal, applied.changes, options.dryRun));
}

/** Exit code 7 when something would change, so that a script can ask. */
export async function diffDocuments(terminal: Terminal, options: Files): Promise<void> {
  const applied = await send(options, true);
  terminal.result(applied, described(terminal, applied.changes, true));
  if (applied.changes.some(({ action }) => action !== 'unchanged')) process.exitCode = EXIT.wouldChange;
}

export async function exportDocuments(terminal: Terminal, options: { kind: string[] }): Promise<void> {
  const { client } = await openApi();
  const { documents } = await answer(documentsExport({ client }));
  const wanted = new Set(options.kind.map((kind) => kind.toLowerCase()));
  const chosen = documents.filter((document) => wanted.size === 0 || wanted.has(String(document['kind']).toLowerCase()));
  terminal.result(chosen, chosen.map((document) => stringify(document).trimEnd()).join('\n---\n'));
}

async function send({ file, prune }: Files, dryRun: boolean) {
  const documents = await readDocuments(file);
  const secrets = await secretsOf(documents);
  const { client } = await openApi();
  return answer(documentsApply({ client, body: { documents, secrets, prune, dryRun } }));
}

const SIGNS = { create: '+', update: '~', delete: '-', unchanged: ' ' } as const;
const COLOURS = { create: 'green', update: 'yellow', delete: 'red', unchanged: 'dim' } as const;

function described(terminal: Terminal, changes: DocumentChange[], dryRun: boolean): string {
  const lines = changes
    .filter(({ action }) => action !== 'unchanged')
    .flatMap(({ action, kind, name, fields }) => [
      terminal.paint(COLOURS[action], `${SIGNS[action]} ${kind} ${visible(name)}`),
      ...fields.map(({ path, before, after }) => `    ${path}: ${shown(before)} → ${shown(after)}`),
    ]);
  const unchanged = changes.length - changes.filter(({ action }) => action !== 'unchanged').length;
  const summary = `${changes.length - unchanged} ${dryRun ? 'would change' : 'changed'}, ${unchanged} as they are.`;
  return [...lines, summary].join('\n');
}

function shown(value: unknown): string {
  return visible(value === null || value === undefined ? '(none)' : JSON.stringify(value));
}
