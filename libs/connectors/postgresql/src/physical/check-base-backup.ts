import { createHash } from 'node:crypto';
import type { Artifact, ArtifactSource, ContentCheck, Job } from '@rahat/connector-kit';
import { RahatError } from '@rahat/contracts';
import { type BackupLink, readChain, readOfLink } from './backup-chain.js';
import { inManifest } from './backup-manifest.js';
import { pathOfKey } from './base-backup-layout.js';
import { incrementalPath, wholePath } from './incremental-file.js';
import { LogCover } from './log-cover.js';
import { cancelled } from './protocol/connection.js';

/**
 * Compares every file with the server's own manifest, and looks whether the log covers what recovery will need; of an incremental backup
 * in every link that it rests upon, and whether each file can be put together. Needs no server.
 */
export async function checkBaseBackup(source: ArtifactSource, job: Job): Promise<ContentCheck> {
  const chain = await readChain(source);
  const totalBytes = chain.flatMap((link) => link.source.artifacts).reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  const check: ContentCheck & { totalBytes: number } = { objectsChecked: 0, rows: 0, bytes: 0, findings: [], totalBytes };
  for (const [index, link] of chain.entries()) {
    await checkLink(link, check, job);
    checkFoundation(link, chain[index + 1], check);
  }
  const { objectsChecked, rows, bytes, findings } = check;
  return { objectsChecked, rows, bytes, findings };
}

async function checkLink(link: BackupLink, check: ContentCheck & { totalBytes: number }, job: Job): Promise<void> {
  const { facts, manifest, source } = link;
  const cover = new LogCover(facts.segmentSize, facts.systemIdentifier);
  const missing = new Set(manifest.files.keys());
  for (const artifact of source.artifacts) {
    const path = pathOfKey(artifact.key);
    check.objectsChecked++;
    if (path === undefined) continue;
    const expected = manifest.files.get(path) ?? (inManifest(path) ? undefined : artifact);
    missing.delete(path);
    if (!expected) {
      damaged(check, path, `${path} of ${link.name} is not named by the server's manifest`);
      continue;
    }
    const read = readOfLink(link, artifact);
    const file = artifact.kind === 'log' ? cover.watch(artifact.key.slice(artifact.key.lastIndexOf('/') + 1), read) : read;
    const actual = await collectDamage(
      () => digest(file, job),
      (message) => damaged(check, path, message),
    );
    if (actual && (actual.sha256 !== expected.sha256 || actual.sizeBytes !== expected.sizeBytes))
      damaged(check, path, `${path} of ${link.name} differs from what the server sent`);
    check.bytes += artifact.sizeBytes;
    job.progress({ phase: 'checking', object: path, bytes: check.bytes, totalBytes: check.totalBytes });
  }
  for (const path of missing) damaged(check, path, `${path} is named by the server's manifest and is not in ${link.name}`);
  await collectDamage(
    () => cover.require(manifest.logRanges),
    (message) => damaged(check, 'pg_wal', message),
  );
}

/** Each incremental file needs the file in the link below, whole or incremental in turn. */
function checkFoundation(link: BackupLink, below: BackupLink | undefined, check: ContentCheck): void {
  if (!below) return;
  for (const path of link.manifest.files.keys()) {
    const whole = wholePath(path);
    if (whole === undefined || below.files.has(whole) || below.files.has(incrementalPath(whole))) continue;
    damaged(check, path, `${path} of ${link.name} rests upon ${whole} of ${below.name}, which is not there`);
  }
}

function damaged({ findings }: ContentCheck, object: string, message: string): void {
  findings.push({ code: 'content_damaged', severity: 'blocker', object, message });
}

async function digest(body: AsyncIterable<Buffer>, job: Job): Promise<Pick<Artifact, 'sha256' | 'sizeBytes'>> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of body) {
    if (job.signal.aborted) throw cancelled(job.signal);
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** One damaged file does not end the check: the report names them all. */
async function collectDamage<T>(work: () => T | Promise<T>, report: (message: string) => void): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RahatError) || (error.code !== 'dump_invalid' && error.code !== 'dump_truncated')) throw error;
    report(error.message);
    return undefined;
  }
}
