import { serversWindows, type ServerWindows } from '@rahat/api-client';
import { answer, openApi } from '../session/api.js';
import { bytes, duration, table, visible } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';
import { findServer } from './servers.js';

export async function serverWindows(terminal: Terminal, name: string): Promise<void> {
  const api = await openApi();
  const server = await findServer(api, name);
  const known = await answer(serversWindows({ client: api.client, path: { id: server.id } }));
  terminal.result(known, described(terminal, server.name, known));
}

function described(terminal: Terminal, name: string, { from, to, windows, gaps, streams, withoutLog }: ServerWindows): string {
  return [
    from && to
      ? terminal.paint('green', `${name} can be recovered to any moment from ${from} to ${to}.`)
      : terminal.paint('yellow', `No moment of ${name} can be recovered but those of its backups.`),
    ...section(
      windows.length > 0,
      table(
        ['FROM', 'TO', 'TIMELINES', 'BACKUPS', 'GOES ON', 'REPOSITORY'],
        windows.map((window) => [
          window.from,
          window.to,
          window.timelines.map(({ timeline }) => timeline).join(' → '),
          String(window.backups.length),
          window.open ? 'yes' : 'no',
          window.repository,
        ]),
      ),
    ),
    ...section(
      gaps.length > 0,
      table(
        ['GAP FROM', 'TO', 'REASON', 'WHAT HAPPENED'],
        gaps.map((gap) => [gap.from ?? '–', gap.to ?? 'not closed yet', gap.reason, visible(gap.message)]),
      ),
    ),
    ...section(
      streams.length > 0,
      table(
        ['STREAM', 'STATE', 'BEHIND', 'COMMITTED', 'KEPT', 'SLOT', 'REMARK'],
        streams.map((stream) => [
          stream.id,
          stream.state.toUpperCase(),
          stream.lagSeconds === null ? '–' : `${duration(Math.round(stream.lagSeconds))}, ${bytes(stream.lagBytes ?? 0)}`,
          stream.committedLsn ?? '–',
          bytes(stream.retainedBytes),
          stream.way === 'push' ? 'pushed' : stream.slot,
          visible(stream.message ?? ''),
        ]),
      ),
    ),
    ...section(withoutLog.length > 0, `Without log: ${withoutLog.join(', ')}`),
  ].join('\n');
}

function section(there: boolean, text: string): string[] {
  return there ? ['', text] : [];
}
