import { createHash } from 'node:crypto';
import { RahatError } from '@rahat/contracts';
import { z } from 'zod';
import { pathText } from './path-text.js';

const File = z.object({
  Path: z.string().optional(),
  'Encoded-Path': z
    .string()
    .regex(/^([0-9a-f]{2})+$/i)
    .optional(),
  Size: z.number().int().nonnegative(),
  'Checksum-Algorithm': z.string().optional(),
  Checksum: z.string().optional(),
});
const Document = z.object({
  'PostgreSQL-Backup-Manifest-Version': z.number().int().min(1).max(2),
  'System-Identifier': z.union([z.number(), z.string()]).optional(),
  Files: z.array(File),
  'WAL-Ranges': z.array(z.object({ Timeline: z.number().int(), 'Start-LSN': z.string(), 'End-LSN': z.string() })).min(1),
  'Manifest-Checksum': z.string(),
});

export interface ManifestFile {
  sizeBytes: number;
  sha256: string;
}

export interface BackupManifest {
  /** By path in the data directory; files of tablespaces below `pg_tblspc/<oid>/`. */
  files: Map<string, ManifestFile>;
  /** The log that must be replayed to make the files consistent. */
  logRanges: { timeline: number; start: string; end: string }[];
}

/** Reads the server's own `backup_manifest`, and refuses one whose own checksum does not fit. */
export function parseBackupManifest(bytes: Buffer): BackupManifest {
  // The checksum covers everything before the line that holds it (docs: "Backup Manifest Format").
  const lastLine = bytes.lastIndexOf('"Manifest-Checksum"');
  const actual = createHash('sha256')
    .update(bytes.subarray(0, Math.max(lastLine, 0)))
    .digest('hex');
  const document = Document.safeParse(parseJson(bytes));
  if (!document.success)
    throw new RahatError('dump_invalid', 'The backup manifest of the server cannot be understood', { cause: document.error });
  if (document.data['Manifest-Checksum'] !== actual)
    throw new RahatError('dump_invalid', 'The backup manifest does not fit its own checksum');
  const files = new Map<string, ManifestFile>();
  for (const file of document.data.Files) {
    const encoded = file['Encoded-Path'];
    const path = pathText(encoded === undefined ? Buffer.from(file.Path ?? '') : Buffer.from(encoded, 'hex'));
    if (file['Checksum-Algorithm'] !== 'SHA256' || !file.Checksum)
      throw new RahatError('dump_invalid', `The backup manifest has no SHA-256 for ${path}`);
    files.set(path, { sizeBytes: file.Size, sha256: file.Checksum.toLowerCase() });
  }
  const logRanges = document.data['WAL-Ranges'].map((range) => ({
    timeline: range.Timeline,
    start: range['Start-LSN'],
    end: range['End-LSN'],
  }));
  return { files, logRanges };
}

/** Log is proven by its own pages; the server keeps its files, and what belongs to them, out of the manifest. */
export function inManifest(path: string): boolean {
  return !path.startsWith('pg_wal/');
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new RahatError('dump_truncated', 'The backup manifest of the server is cut off', { cause });
  }
}
