import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { install } from '../workspace/installation.mjs';
import { root } from '../workspace/workspace.mjs';

/** PostgreSQL 13, 14, 16 and 17, which only tests need. */
export function ensureEmbeddedServers() {
  const folder = path.join(root, 'tools/test-servers');
  const wanted = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).optionalDependencies;
  const fits = Object.entries(wanted).every(([name, version]) => {
    const manifest = path.join(folder, 'node_modules', name, 'package.json');
    return existsSync(manifest) && version.endsWith(`@${JSON.parse(readFileSync(manifest, 'utf8')).version}`);
  });
  if (!fits) install(folder);
}
