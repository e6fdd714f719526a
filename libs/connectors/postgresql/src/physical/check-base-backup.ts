import { createHash } from 'node:crypto';
import type { Artifact, ArtifactSource, ContentCheck, Job } from '@rahat/connector-kit';
import { type Finding, RahatError } from '@rahat/contracts';
import { inManifest, parseBackupManifest } from './backup-manifest.js';
import { MANIFEST_KEY, pathOfKey, readFacts, readWhole } from './base-backup-layout.js';
import { LogCover } from './log-cover.js';
import { cancelled } from './protocol/connection.js';

/** Compares every file with the server's own manifest, and looks whether the log covers what recovery will need. Needs no server. */
export async function checkBaseBackup(source: ArtifactSource, job: Job): Promise<ContentCheck> {
  const facts = await readFacts(source);
  const manifest = parseBackupManifest(await readWhole(source, MANIFEST_KEY));
  const cover = new LogCover(facts.segmentSize, facts.systemIdentifier);
  const missing = new Set(manifest.files.keys());
  const findings: Finding[] = [];
  const damaged = (object: string, message: string) => findings.push({ code: 'content_damaged', severity: 'blocker', object, message });
  const totalBytes = source.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  let objectsChecked = 0;
  let bytes = 0;

  for (const artifact of source.artifacts) {
    const path = pathOfKey(artifact.key);
    objectsChecked++;
    if (path === undefined) continue;
    const expected = manifest.files.get(path) ?? (inManifest(path) ? undefined : artifact);
    missing.delete(path);
    if (!expected) {
      damaged(path, `${path} is not named by the server's manifest`);
      continue;
    }
    const file =
      artifact.kind === 'log'
        ? cover.watch(artifact.key.slice(artifact.key.lastIndexOf('/') + 1), source.read(artifact))
        : source.read(artifact);
    const actual = await collectDamage(
      () => digest(file, job),
      (message) => damaged(path, message),
    );
    if (actual && (actual.sha256 !== expected.sha256 || actual.sizeBytes !== expected.sizeBytes))
      damaged(path, `${path} differs from what the server sent`);
    bytes += artifact.sizeBytes;
    job.progress({ phase: 'checking', object: path, bytes, totalBytes });
  }
  for (const path of missing) damaged(path, `${path} is named by the server's manifest and is not in the backup`);
  await collectDamage(
    () => cover.require(manifest.logRanges),
    (message) => damaged('pg_wal', message),
  );
  return { objectsChecked, rows: 0, bytes, findings };
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
