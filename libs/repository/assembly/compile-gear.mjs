// Compiles gear.ts to WebAssembly and prints it, or writes the TypeScript module that carries it:
//   node libs/repository/assembly/compile-gear.mjs --write
import { readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const source = readFileSync(new URL('gear.ts', import.meta.url), 'utf8');

export async function compileGear() {
  const files = { 'gear.ts': source };
  let binary;
  const { error, stderr } = await asc.main(
    [
      ...['gear.ts', '--outFile', 'gear.wasm', '-O3', '--runtime', 'stub', '--noAssert'],
      // Threads hash what lies in this memory. 16,384 pages are 1 GiB, far above what streams take.
      ...['--importMemory', '--sharedMemory', '--enable', 'threads', '--initialMemory', '1', '--maximumMemory', '16384'],
    ],
    {
      readFile: (name) => files[name] ?? null,
      writeFile: (name, content) => {
        if (name === 'gear.wasm') binary = Buffer.from(content);
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  return binary;
}

if (process.argv[2] === '--print') process.stdout.write((await compileGear()).toString('base64'));

if (process.argv[2] === '--write') {
  const lines = (await compileGear()).toString('base64').match(/.{1,120}/g);
  const module = [
    '// Written by assembly/compile-gear.mjs from assembly/gear.ts; gear-scan.spec.ts compares them.',
    'export const GEAR_WASM_BASE64 = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ].join('\n');
  writeFileSync(new URL('../src/chunking/gear-wasm.ts', import.meta.url), module);
}
