import { statfs } from 'node:fs/promises';
import { embeddedToolFolders, listTools } from '@rahat/execution';
import { meGet } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { answer, openApi } from '../session/api.js';
import { findLogin } from '../session/settings.js';
import { bytes } from '../terminal/format.js';
import type { Terminal } from '../terminal/terminal.js';

interface Finding {
  ok: boolean;
  what: string;
  detail: string;
  fix?: string;
}

const CLOCK_SKEW_LIMIT_MS = 30_000;
const LOW_DISK_BYTES = 1_000_000_000;

export async function doctor(terminal: Terminal): Promise<void> {
  const findings = [...(await platform()), await login(), ...(await tools()), await disk()];
  const lines = findings.map(
    ({ ok, what, detail, fix }) =>
      `${ok ? terminal.paint('green', '✓') : terminal.paint('red', '✗')} ${what.padEnd(16)} ${detail}${fix ? `\n    → ${fix}` : ''}`,
  );
  terminal.result(findings, lines.join('\n'));
  if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
}

async function platform(): Promise<Finding[]> {
  const { url } = await findLogin();
  try {
    const response = await fetch(new URL('/api/openapi.json', url), { signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    const skewMs = Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? new Date().toUTCString()));
    return [
      { ok: response.ok, what: 'platform', detail: `${url} answers (${response.status})` },
      {
        ok: skewMs < CLOCK_SKEW_LIMIT_MS,
        what: 'clock',
        detail: `${Math.round(skewMs / 1000)} s away from the platform's`,
        fix: skewMs < CLOCK_SKEW_LIMIT_MS ? undefined : 'Synchronise both clocks (NTP).',
      },
    ];
  } catch {
    return [{ ok: false, what: 'platform', detail: `${url} does not answer`, fix: 'Start it with `npm start`, or set RAHAT_URL.' }];
  }
}

async function login(): Promise<Finding> {
  try {
    const { client } = await openApi();
    const me = await answer(meGet({ client }));
    return { ok: true, what: 'login', detail: `${me.name}, ${me.role} of ${me.organization.name}` };
  } catch (error) {
    const { message, hint } = RahatError.from(error);
    return { ok: false, what: 'login', detail: message, fix: hint };
  }
}

async function tools(): Promise<Finding[]> {
  const found = await listTools(embeddedToolFolders());
  const clients = found.filter(({ pgDump }) => pgDump);
  const servers = found.filter(({ postgres }) => postgres);
  return [
    {
      ok: clients.length > 0,
      what: 'client tools',
      detail:
        clients.length > 0
          ? clients.map(({ version, folder }) => `pg_dump ${version} (${folder})`).join(', ')
          : 'no pg_dump on this machine',
      fix:
        clients.length > 0
          ? undefined
          : 'Logical backups need pg_dump of the server’s major version, e.g. `apt-get install postgresql-client`; physical ones need nothing.',
    },
    {
      ok: servers.length > 0,
      what: 'test restores',
      detail:
        servers.length > 0
          ? [...new Set(servers.map(({ version }) => `PostgreSQL ${version}`))].join(', ')
          : 'no server binaries for throwaway servers',
      fix: servers.length > 0 ? undefined : 'Run this in the project folder, or install a PostgreSQL server package.',
    },
  ];
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(process.cwd());
  const free = bavail * bsize;
  return {
    ok: free > LOW_DISK_BYTES,
    what: 'disk',
    detail: `${bytes(free)} free here`,
    fix: free > LOW_DISK_BYTES ? undefined : 'Free some space.',
  };
}
