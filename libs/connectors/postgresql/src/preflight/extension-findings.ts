import type { Finding } from '@rahat/contracts';
import { listed } from './cured.js';

/** What an extension asks of a restore beyond being installed. */
const NEEDS: Record<string, Pick<Finding, 'code' | 'severity' | 'message'>> = {
  timescaledb: {
    code: 'timescaledb',
    severity: 'warning',
    message: 'A restore needs exactly this version of TimescaleDB on the target.',
  },
  citus: {
    code: 'citus',
    severity: 'warning',
    message: 'Distributed tables are restored as ordinary ones: they are to be distributed again.',
  },
  pg_cron: {
    code: 'pg_cron',
    severity: 'warning',
    message: 'Its jobs run on the target of a restore too, once pg_cron is set up there.',
  },
  postgis: {
    code: 'postgis',
    severity: 'info',
    message: 'The target of a restore needs this version of PostGIS or a newer one.',
  },
};

export function extensionFindings(extensions: readonly { name: string; version: string }[]): Finding[] {
  if (extensions.length === 0) return [];
  const needs = extensions.flatMap(({ name, version }) => {
    const need = Object.hasOwn(NEEDS, name) ? NEEDS[name] : undefined;
    return need ? [{ ...need, object: `${name} ${version}` }] : [];
  });
  return [
    {
      code: 'extensions',
      severity: 'info',
      object: listed(extensions.map(({ name, version }) => `${name} ${version}`)),
      message: 'The target of a restore needs these extensions installed.',
    },
    ...needs,
  ];
}
