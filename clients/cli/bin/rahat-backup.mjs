#!/usr/bin/env node
// Runs on any node >= 20.19: hands over to the Node 24 that came with the installation when the own one is older.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const entry = path.join(here, '../dist/main.js');

if (!existsSync(entry)) {
  console.error('rahat-backup is not built yet. Run `npm run build` (or `npm start`) in the project folder first.');
  process.exit(1);
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(entry);
} else {
  const node = bundledNode();
  if (!node) {
    console.error(`rahat-backup needs Node.js 24, this is ${process.version}. Run \`npm ci\` in the project folder; it brings one.`);
    process.exit(1);
  }
  const { status, signal } = spawnSync(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (signal) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}

function bundledNode() {
  const require = createRequire(import.meta.url);
  try {
    const manifest = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    const node = path.join(path.dirname(manifest), 'bin/node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}
