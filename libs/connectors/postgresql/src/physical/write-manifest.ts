import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import type { ManifestFile } from './backup-manifest.js';
import { pathBytes } from './path-text.js';

export interface ManifestContent {
  systemIdentifier: string;
  /** Paths as `BackupManifest` has them. */
  files: Iterable<[path: string, file: ManifestFile]>;
  logRanges: readonly { timeline: number; start: string; end: string }[];
}

const PIECE_BYTES = 1 << 16;

/** A `backup_manifest` as PostgreSQL 17 and newer read it (docs: "Backup Manifest Format"), piece by piece, its own checksum at the end. */
export function* writeBackupManifest({ systemIdentifier, files, logRanges }: ManifestContent): Generator<Buffer> {
  const hash = createHash('sha256');
  let text = '';
  for (const line of lines()) {
    text += line;
    if (text.length < PIECE_BYTES) continue;
    yield hashed(text);
    text = '';
  }
  yield hashed(text);
  yield Buffer.from(`"Manifest-Checksum": "${hash.digest('hex')}"}\n`);

  function hashed(piece: string): Buffer {
    const bytes = Buffer.from(piece);
    hash.update(bytes);
    return bytes;
  }

  function* lines(): Generator<string> {
    // A number that JavaScript's numbers are too small for.
    yield `{ "PostgreSQL-Backup-Manifest-Version": 2,\n"System-Identifier": ${BigInt(systemIdentifier)},\n"Files": [`;
    let separator = '\n';
    for (const [path, { sizeBytes, sha256 }] of files) {
      const bytes = pathBytes(path);
      const name = isUtf8(bytes) ? `"Path": ${JSON.stringify(bytes.toString('utf8'))}` : `"Encoded-Path": "${bytes.toString('hex')}"`;
      yield `${separator}{ ${name}, "Size": ${sizeBytes}, "Checksum-Algorithm": "SHA256", "Checksum": "${sha256}" }`;
      separator = ',\n';
    }
    const ranges = logRanges.map(({ timeline, start, end }) => `{ "Timeline": ${timeline}, "Start-LSN": "${start}", "End-LSN": "${end}" }`);
    yield `\n],\n"WAL-Ranges": [\n${ranges.join(',\n')}\n],\n`;
  }
}
