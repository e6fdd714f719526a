import type { Artifact, ArtifactSource, ContentCheck, Job } from '@rahat/connector-kit';
import { RahatError, type Finding } from '@rahat/contracts';
import { oidBytes } from './archive-reader.js';
import { LargeObjectMeta } from './artifact-names.js';
import { readGroup } from './large-objects.js';
import { addHashes } from './logical-backup.js';
import { RowKernel } from './row-kernel.js';
import { entriesWithoutData, openStoredDump, type StoredDump } from './stored-dump.js';

/** Decodes the table of contents and every artifact to its end, and counts and hashes all rows anew. */
export async function checkLogicalContent(source: ArtifactSource, job: Job): Promise<ContentCheck> {
  const check: ContentCheck = { objectsChecked: 2, rows: 0, bytes: 0, findings: [] };
  let dump: StoredDump;
  try {
    dump = await openStoredDump(source);
  } catch (error) {
    if (job.signal.aborted) throw error;
    check.findings.push(damaged('table of contents', error instanceof Error ? error.message : String(error)));
    return check;
  }
  for (const entry of entriesWithoutData(dump))
    check.findings.push(damaged(`${entry.namespace}.${entry.tag}`, 'The rows of this table are missing.'));
  const kernel = new RowKernel();
  const largeObjects = { count: 0, rowHash: '0'.padStart(32, '0') };
  for (const artifact of source.artifacts) {
    if (artifact.kind !== 'rows' && artifact.kind !== 'blob') continue;
    job.signal.throwIfAborted();
    job.progress({ phase: 'decode', object: artifact.key, bytes: check.bytes });
    kernel.reset();
    const problem = await (
      artifact.kind === 'rows' ? decodeRows(source, artifact, kernel, check) : decodeLargeObjects(source, artifact, kernel, check)
    ).catch((error: unknown) => {
      if (error instanceof RahatError && error.code === 'dump_invalid') return error.message;
      throw error;
    });
    const sum = kernel.sum();
    if (problem !== undefined) check.findings.push(damaged(artifact.key, problem));
    else if (sum.rows !== artifact.rows || sum.rowHash !== artifact.rowHash) {
      check.findings.push(
        damaged(artifact.key, `It holds ${sum.rows} rows with another hash than the ${artifact.rows ?? 0} rows that were backed up.`),
      );
    }
    check.objectsChecked++;
    if (artifact.kind === 'rows') check.rows += sum.rows;
    else {
      largeObjects.count += sum.rows;
      largeObjects.rowHash = addHashes(largeObjects.rowHash, sum.rowHash);
    }
  }
  if (
    largeObjects.count !== dump.facts.largeObjects.count ||
    (largeObjects.count > 0 && largeObjects.rowHash !== dump.facts.largeObjects.rowHash)
  ) {
    check.findings.push(
      damaged(
        'large objects',
        `${dump.facts.largeObjects.count} were backed up, ${largeObjects.count} are there, or their contents differ.`,
      ),
    );
  }
  return check;
}

async function decodeRows(source: ArtifactSource, artifact: Artifact, kernel: RowKernel, check: ContentCheck): Promise<string | undefined> {
  for await (const piece of source.read(artifact)) {
    kernel.absorbRows(piece);
    check.bytes += piece.length;
  }
  return kernel.endMarkSeen ? undefined : 'The end mark of the rows is missing.';
}

async function decodeLargeObjects(source: ArtifactSource, artifact: Artifact, kernel: RowKernel, check: ContentCheck): Promise<undefined> {
  const { oid } = LargeObjectMeta.parse(artifact.meta);
  const counted = countBytes(source.read(artifact), check);
  if (oid !== undefined) {
    kernel.openItem();
    kernel.absorbItem(oidBytes(oid));
    for await (const piece of counted) kernel.absorbItem(piece);
    kernel.finishItem();
    return;
  }
  let open = false;
  for await (const record of readGroup(counted)) {
    if (!open) {
      kernel.openItem();
      kernel.absorbItem(oidBytes(record.oid));
    }
    open = record.piece.length > 0;
    if (open) kernel.absorbItem(record.piece);
    else kernel.finishItem();
  }
}

async function* countBytes(stream: AsyncIterable<Buffer>, check: ContentCheck): AsyncGenerator<Buffer> {
  for await (const piece of stream) {
    check.bytes += piece.length;
    yield piece;
  }
}

function damaged(object: string, message: string): Finding {
  return {
    code: 'content_damaged',
    severity: 'blocker',
    object,
    message,
    fix: 'Check the repository, restore from another copy, and make a new backup.',
  };
}
