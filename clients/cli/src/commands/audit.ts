import {
  auditGet,
  auditKeys,
  auditList,
  auditRetentionGet,
  auditRetentionSet,
  auditSignHead,
  type AuditEntry,
  type AuditListData,
} from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { allPages } from '../session/pages.js';
import { table } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

const PAGE = 200;

export interface AuditFilters {
  actor?: string;
  action?: string;
  kind?: string;
  target?: string;
  address?: string;
  request?: string;
  from?: string;
  to?: string;
  limit: number;
}

export async function listEntries(terminal: Terminal, filters: AuditFilters, words?: string): Promise<void> {
  const { client } = await openApi();
  const { kind, from, to, limit, ...rest } = filters;
  const query: AuditListData['query'] = { ...rest, targetKind: kind, from: instant(from), to: instant(to), q: words };
  const entries = await allPages(
    (cursor) => answer(auditList({ client, query: { ...query, cursor, limit: Math.min(limit, PAGE) } })),
    limit,
  );
  terminal.result(
    entries,
    entries.length === 0
      ? 'There is no such entry.'
      : table(
          ['NUMBER', 'TIME', 'WHO', 'FROM', 'ACTION', 'TARGET'],
          entries.map((entry) => [
            String(entry.sequence),
            entry.at,
            entry.actor.name,
            entry.actor.address ?? '',
            entry.action,
            entry.target.name ?? entry.target.id,
          ]),
        ),
  );
}

export async function showEntry(terminal: Terminal, sequence: number): Promise<void> {
  const { client } = await openApi();
  const entry = await answer(auditGet({ client, path: { sequence } }));
  terminal.result(entry, described(entry));
}

export async function signHead(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const head = await answer(auditSignHead({ client }));
  terminal.say(`Signed at entry ${head.sequence}, ${head.signedAt}. Keep it elsewhere.`);
  terminal.result(head, head.signed);
}

export async function showKeys(terminal: Terminal): Promise<void> {
  const { client } = await openApi();
  const keys = await answer(auditKeys({ client }));
  terminal.result(keys, JSON.stringify(keys, null, 2));
}

export async function retention(terminal: Terminal, keepDays: number | null | undefined): Promise<void> {
  const { client } = await openApi();
  const policy = await answer(keepDays === undefined ? auditRetentionGet({ client }) : auditRetentionSet({ client, body: { keepDays } }));
  terminal.result(
    policy,
    policy.keepDays === null ? 'The audit trail is kept for ever.' : `The audit trail is kept for ${policy.keepDays} days.`,
  );
}

function described(entry: AuditEntry): string {
  const { actor, target } = entry;
  const values = (name: string, value: object | null) =>
    value === null || Object.keys(value).length === 0 ? [] : [`${name}: ${JSON.stringify(value, null, 2)}`];
  return [
    table(
      ['', ''],
      [
        ['number', String(entry.sequence)],
        ['time', entry.at],
        ['who', `${actor.name} (${actor.kind} ${actor.id})${actor.address === null ? '' : ` from ${actor.address}`}`],
        ['action', entry.action],
        ['target', `${target.kind} ${target.id}${target.name === null ? '' : ` (${target.name})`}`],
        ['request', entry.request ?? '–'],
        ['hash', entry.hash],
      ],
    ).trimStart(),
    ...values('before', entry.before),
    ...values('after', entry.after),
    ...values('details', entry.details),
  ].join('\n');
}

function instant(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new RahatError('invalid_input', `"${text}" is no time.`, { hint: 'Give one as 2026-11-01 or 2026-11-01T08:00:00Z.' });
  return time.toISOString();
}
