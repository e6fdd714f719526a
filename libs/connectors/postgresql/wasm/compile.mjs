// Compiles row-kernel.ts into a TypeScript module that carries the bytes, so that no build step and no file look-up is needed.
// `node wasm/compile.mjs` writes it; the spec compares it with a fresh compilation.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const source = new URL('row-kernel.ts', import.meta.url);
const target = new URL('../src/logical/row-kernel.generated.ts', import.meta.url);

export async function compileRowKernel() {
  const { default: asc } = await import('assemblyscript/asc');
  let wasm;
  const { error, stderr } = await asc.main(
    [
      'row-kernel.ts',
      '--outFile',
      'row-kernel.wasm',
      '-O3',
      '--converge',
      '--noAssert',
      '--runtime',
      'stub',
      '--enable',
      'simd',
      '--initialMemory',
      '34',
      '--maximumMemory',
      '34',
    ],
    {
      readFile: (name) => (name === 'row-kernel.ts' ? readFile(source, 'utf8') : null),
      writeFile: (name, content) => {
        if (name === 'row-kernel.wasm') wasm = content;
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString('base64')
    .match(/.{1,120}/g)
    .map((line) => `  '${line}',`);
  return [
    '// Generated from wasm/row-kernel.ts by wasm/compile.mjs; do not edit.',
    'export const ROW_KERNEL_BASE64 = [',
    ...lines,
    "].join('');",
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(target, await compileRowKernel());
