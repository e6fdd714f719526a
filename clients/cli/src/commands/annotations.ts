import { backupsAnnotate, plansNote, runsAnnotate, serversNote } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findBackup } from './backups.js';
import { findPlan } from './plans.js';
import { findRun } from './runs.js';
import { findServer } from './servers.js';
import { changedTags, nothingToChange } from './tag-changes.js';

interface TagOptions {
  add?: string[];
  remove?: string[];
}

export async function tagBackup(terminal: Terminal, id: string, options: TagOptions): Promise<void> {
  const api = await openApi();
  const backup = await findBackup(api, id);
  const tags = tagsAfter(backup.tags, options);
  const changed = await answer(backupsAnnotate({ client: api.client, path: { id: backup.id }, body: { tags } }));
  terminal.result(changed, `${changed.id}: ${changed.tags.join(', ') || 'no tags'}`);
}

export async function tagRun(terminal: Terminal, id: string, options: TagOptions): Promise<void> {
  const api = await openApi();
  const run = await findRun(api, id);
  const changed = await answer(runsAnnotate({ client: api.client, path: { id: run.id }, body: { tags: tagsAfter(run.tags, options) } }));
  terminal.result(changed, `${changed.id}: ${changed.tags.join(', ') || 'no tags'}`);
}

export async function noteBackup(terminal: Terminal, id: string, note: string): Promise<void> {
  const api = await openApi();
  const { id: backup } = await findBackup(api, id);
  told(terminal, await answer(backupsAnnotate({ client: api.client, path: { id: backup }, body: { note } })));
}

export async function noteRun(terminal: Terminal, id: string, note: string): Promise<void> {
  const api = await openApi();
  const { id: run } = await findRun(api, id);
  told(terminal, await answer(runsAnnotate({ client: api.client, path: { id: run }, body: { note } })));
}

export async function noteServer(terminal: Terminal, name: string, note: string): Promise<void> {
  const api = await openApi();
  const { id: server } = await findServer(api, name);
  told(terminal, await answer(serversNote({ client: api.client, path: { id: server }, body: { note } })));
}

export async function notePlan(terminal: Terminal, name: string, note: string): Promise<void> {
  const api = await openApi();
  const { id: plan } = await findPlan(api, name);
  told(terminal, await answer(plansNote({ client: api.client, path: { id: plan }, body: { note } })));
}

function tagsAfter(before: string[], { add = [], remove = [] }: TagOptions): string[] {
  if (add.length + remove.length === 0) throw nothingToChange();
  return changedTags(before, add, remove);
}

function told(terminal: Terminal, thing: { id: string; note: string }): void {
  terminal.result(thing, thing.note === '' ? `${thing.id} has no note.` : `${thing.id}: ${visible(thing.note)}`);
}
