import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Answer {
  exitCode: number | null;
  stdout: Buffer;
  stderr: string;
}

/** What Node.js 20 lacks: a preload takes it away, before the reader looks. */
const AS_NODE_20 = `data:text/javascript,${encodeURIComponent(
  "import { createRequire, syncBuiltinESMExports } from 'node:module'; const require = createRequire('file:///');" +
    "delete require('node:zlib').zstdDecompressSync; delete require('node:crypto').argon2Sync; syncBuiltinESMExports();",
)}`;

/** The bundled reader in a process of its own, as its user runs it. */
export class ReaderProcess implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    private readonly file: string,
  ) {}

  static async bundle(): Promise<ReaderProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'rahat-reader-'));
    const file = join(folder, 'rahat-reader.mjs');
    const { bundle } = (await import(pathToFileURL(join(import.meta.dirname, '../../bundle.mjs')).href)) as {
      bundle: (target: { outfile: string; format: 'esm' }) => Promise<void>;
    };
    await bundle({ outfile: file, format: 'esm' });
    return new ReaderProcess(folder, file);
  }

  async run(args: string[], { passphrase = '', asNode20 = false } = {}): Promise<Answer> {
    const passphraseFile = join(this.folder, 'passphrase');
    await writeFile(passphraseFile, `${passphrase}\n`);
    const node = [...(asNode20 ? ['--import', AS_NODE_20] : []), this.file, ...args, '--passphrase-file', passphraseFile];
    const child = spawn(process.execPath, node, { cwd: this.folder, env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode) => resolve({ exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
