// Makes dist/rahat-reader.mjs: one file that Node.js 20 or newer runs without installing anything.
import { chmodSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const { version } = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8'));

/** What is built in, with the licence that it asks to be kept. */
function bundledLicenses() {
  const require = createRequire(import.meta.url);
  const parts = ['fzstd', '@noble/hashes/argon2.js'].map((entry) => {
    const folder = packageFolder(require.resolve(entry));
    const { name, version: partVersion } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return `${name} ${partVersion}\n\n${readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim()}`;
  });
  const own = `rahat-reader ${version}, part of Rahat Backup, Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0). Built in:`;
  return [own, ...parts].join('\n\n');
}

function packageFolder(file) {
  const [root, rest] = file.split(/(?<=.*[\\/]node_modules[\\/])(?!.*node_modules)/u);
  const name = rest.split(path.sep);
  return path.join(root, ...name.slice(0, rest.startsWith('@') ? 2 : 1));
}

/** @param {{ outfile: string, format: 'esm' | 'cjs' }} target */
export async function bundle({ outfile, format }) {
  const licenses = bundledLicenses();
  await build({
    entryPoints: [path.join(here, 'src/main.ts')],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format,
    outfile,
    define: { BUNDLED_LICENSES: JSON.stringify(`${licenses}\n`) },
    banner: { js: `#!/usr/bin/env node\n/*!\n${licenses.replaceAll('*/', '* /')}\n*/` },
    legalComments: 'none',
    logLevel: 'warning',
  });
  chmodSync(outfile, 0o755);
}

if (process.argv[1] === import.meta.filename) {
  await bundle({ outfile: path.join(here, 'dist/rahat-reader.mjs'), format: 'esm' });
}
