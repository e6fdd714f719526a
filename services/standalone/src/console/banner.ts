import path from 'node:path';
import type { HumanConsole } from '@rahat/installation';
import type { StandaloneConfig } from '../config.js';
import type { Platform } from '../platform.js';
import { clientToolsInWords } from './client-tools.js';

/** Until there is an owner a start explains itself; later ones are four lines. Whatever needs an action starts with `!`. */
export function showBanner(out: HumanConsole, platform: Platform, config: StandaloneConfig, seconds: number): void {
  const withoutOwner = platform.setupUrl !== undefined;
  const first = platform.postgresql?.made ?? withoutOwner;
  const place = path.relative(process.cwd(), platform.folder.root);
  const data = place.startsWith('..') ? platform.folder.root : `./${place}`;
  out.line(
    `Rahat Backup ${platform.version}   node ${process.versions.node}   data ${data}   (${first ? 'first start, ' : ''}${seconds.toFixed(1)} s)`,
  );
  if (withoutOwner) showParts(out, platform, config);
  showMoves(out, platform, config);
  if (platform.setupUrl) {
    out.line();
    out.line(`  Open   ${platform.setupUrl}   (one use, 30 min)`);
    out.line(`  API    ${platform.url}/api/docs     Metrics ${platform.metricsUrl}/metrics`);
    out.line('  Demo   npm run demo   makes a sample shop database, backs it up, restores it and compares');
    out.line();
    out.line('Ctrl+C stops everything.');
  } else {
    out.line(`  Open   ${platform.url}     API ${platform.url}/api/docs     Metrics ${platform.metricsUrl}/metrics`);
    out.line('  Ctrl+C stops everything.');
  }
}

function showParts(out: HumanConsole, platform: Platform, config: StandaloneConfig): void {
  const { postgresql } = platform;
  if (postgresql)
    out.done(`PostgreSQL ${postgresql.version} embedded   ${postgresql.host}:${postgresql.port}`, 'set DATABASE_URL to use your own');
  else out.done('PostgreSQL of DATABASE_URL');
  if (postgresql?.setAside) out.attention(`a half-made data folder without data was moved to ${postgresql.setAside}`);
  if (config.REDIS_URL) out.done('queue: Redis of REDIS_URL');
  else out.done('queue: PostgreSQL', 'set REDIS_URL for Redis/Valkey');
  out.done(`${platform.migrations} migrations in place   ✓ worker ready (${platform.workerSlots} slots)`);
  const tools = clientToolsInWords(platform.toolFolders);
  if (tools.present) out.done(`tools: ${tools.words}`);
  else out.attention(`tools: ${tools.words}`, 'logical backups need it: npx rahat-backup doctor');
  out.attention(`the keys are in ${platform.folder.keys}`, 'keep a copy of that folder elsewhere');
}

function showMoves(out: HumanConsole, platform: Platform, config: StandaloneConfig): void {
  const moved = (what: string, wanted: number, got: number) => {
    if (wanted !== 0 && wanted !== got) out.attention(`port ${wanted} is taken: ${what} is on ${got}`);
  };
  moved('Rahat Backup', config.RAHAT_PORT, Number(new URL(platform.url).port));
  moved('metrics', config.RAHAT_METRICS_PORT, Number(new URL(platform.metricsUrl).port));
}
