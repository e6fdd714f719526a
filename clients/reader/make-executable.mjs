// Makes dist/rahat-reader: the reader with Node.js inside (a single executable application), for machines that have none.
// node clients/reader/make-executable.mjs [FILE]
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inject } from 'postject';
import { bundle } from './bundle.mjs';

// Node.js looks for this mark in itself to know whether it holds an application (nodejs.org/api/single-executable-applications).
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const file = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, 'dist/rahat-reader'));
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error('The executable is made on Linux x64 only: it holds the Node.js that makes it. Elsewhere use rahat-reader.mjs.');
  process.exit(1);
}

// Beside its place, so that it comes there whole, by a rename.
const work = mkdtempSync(`${file}.`);
try {
  const part = (name) => path.join(work, name);
  await bundle({ outfile: part('reader.cjs'), format: 'cjs' });
  const config = { main: part('reader.cjs'), output: part('blob'), disableExperimentalSEAWarning: true, useSnapshot: false };
  writeFileSync(part('config.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['--experimental-sea-config', part('config.json')], { stdio: ['ignore', 'ignore', 'inherit'] });
  copyFileSync(process.execPath, part('executable'));
  await inject(part('executable'), 'NODE_SEA_BLOB', readFileSync(part('blob')), { sentinelFuse: FUSE });
  chmodSync(part('executable'), 0o755);
  renameSync(part('executable'), file);
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.error(`Made ${file}`);
