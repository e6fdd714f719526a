import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBlobStore } from '@rahat/blob-store-registry';
import type {
  BackupEvidence,
  BackupSpec,
  BackupType,
  PostgresqlConnection,
  RunSecrets,
  VerificationEvidence,
  VerificationLevel,
} from '@rahat/contracts';
import { createRepository, type Repository } from '@rahat/repository';
import { startPostgresql, type PostgresqlServer } from '@rahat/test-servers';
import { executeRun, openOfflineRepository } from './index.js';
import { connectionTo, createGrantedRepository, PASSPHRASE, runHead, runOptions, storageIn } from './testing/run-parts.js';

let server: PostgresqlServer;
let source: PostgresqlConnection;
let folder: string;
let repository: Repository;
let secrets: (power: 'read' | 'write-only') => RunSecrets;
let chain: BackupEvidence[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rahat-execution-'));
  server = await startPostgresql({ major: 18, settings: { full_page_writes: 'on', wal_level: 'replica', summarize_wal: 'on' } });
  source = connectionTo(server);
  await server.query('CREATE TABLE orders AS SELECT i FROM generate_series(1, 100000) AS i');
  await server.query('VACUUM FREEZE');
  const granted = await createGrantedRepository(folder);
  repository = granted.repository;
  secrets = (power) => granted.secrets(power, source);
  chain = [await backUp({})];
  for (const row of [-1, -2]) {
    await server.query(`INSERT INTO orders VALUES (${row})`);
    chain.push(await backUp({ backupType: 'incremental', parent: chain.at(-1)!.snapshot }));
  }
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** With the key of a backup worker, which opens no data of earlier backups. */
async function backUp(change: Partial<BackupSpec>): Promise<BackupEvidence> {
  const spec: BackupSpec = {
    ...runHead(),
    type: 'backup',
    method: 'postgresql.physical',
    snapshot: randomBytes(16).toString('hex'),
    deep: false,
    ...change,
  };
  return (await executeRun(spec, secrets('write-only'), await options())) as BackupEvidence;
}
async function options() {
  return runOptions(await mkdtemp(join(folder, 'scratch-')));
}
async function verify(snapshot: string, level: VerificationLevel): Promise<VerificationEvidence> {
  const spec = { ...runHead(), type: 'verification', level, snapshot } as const;
  return (await executeRun(spec, secrets(level === 'BASIC' ? 'write-only' : 'read'), await options())) as VerificationEvidence;
}
const rowsIn = ({ tablesRead }: VerificationEvidence) => tablesRead?.find(({ table }) => table === 'orders')?.rows;
const upon = (parent: string, backupType: BackupType = 'incremental') => ({ parent, backupType });

describe('a chain of backups in a repository', () => {
  it('is written by a key that only writes, and each link says what it rests upon', async () => {
    expect(chain.map(({ label, parent }) => [label, parent])).toEqual([
      ['full · space-incremental', undefined],
      ['incremental (native)', chain[0]!.snapshot],
      ['incremental (native)', chain[1]!.snapshot],
    ]);
    expect(chain[2]!.bytes).toBeLessThan(chain[0]!.bytes * 0.8);
    const differential = await backUp(upon(chain[0]!.snapshot, 'differential'));
    expect(differential).toMatchObject({ label: 'differential (native)', parent: chain[0]!.snapshot });
    expect((await repository.findSnapshot(differential.snapshot)).parent).toBe(chain[0]!.snapshot);
  });

  it('is proven on every level with all that it rests upon', async () => {
    for (const level of ['BASIC', 'DATABASE', 'FULL'] as const) {
      const proof = await verify(chain[2]!.snapshot, level);
      expect(proof.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
      expect(proof.objectsChecked).toBe(proof.objectsExpected);
      if (level === 'FULL') expect(rowsIn(proof)).toBe(100_002);
    }
    expect(rowsIn(await verify(chain[1]!.snapshot, 'FULL'))).toBe(100_001);
  });

  it('is restored without the platform, also out of a copy for which the last link alone was named', async () => {
    const storage = storageIn(folder);
    const { identitySecret } = repository.exportSecrets();
    const sibling = await createRepository(await openBlobStore(storage, 'copy'), { passphrase: PASSPHRASE, identitySecret });
    const report = await repository.copyTo(sibling, { snapshots: [chain[2]!.snapshot] });
    expect(report.copied.map(({ snapshot }) => snapshot)).toEqual(chain.map(({ snapshot }) => snapshot));
    const offline = await openOfflineRepository(join(storage.path, 'copy'), { type: 'passphrase', passphrase: PASSPHRASE });
    const path = join(folder, 'restored');
    await offline.restore({ snapshot: chain[2]!.snapshot, target: { kind: 'folder', path } });
    expect((await readdir(path, { recursive: true })).filter((name) => name.includes('INCREMENTAL.'))).toEqual([]);
    expect(await readFile(join(path, 'backup_label'), 'utf8')).not.toContain('INCREMENTAL FROM');
  });
});

describe('a link that is gone', () => {
  it('is named by the verification of what rests upon it, and the next backup is a full one that says why', async () => {
    await repository.moveToTrash(chain[1]!.snapshot);
    try {
      for (const level of ['BASIC', 'DATABASE', 'FULL'] as const)
        expect((await verify(chain[2]!.snapshot, level)).findings).toMatchObject([
          { code: 'snapshot_not_found', severity: 'blocker', message: expect.stringContaining(`is restored upon ${chain[1]!.snapshot}`) },
        ]);
      for (const parent of [chain[1]!.snapshot, chain[2]!.snapshot]) {
        const instead = await backUp(upon(parent));
        expect(instead).toMatchObject({
          label: 'full · space-incremental',
          findings: expect.arrayContaining([expect.objectContaining({ code: 'full_instead' })]),
        });
        expect(instead.parent).toBeUndefined();
      }
    } finally {
      await repository.restoreFromTrash(chain[1]!.snapshot);
    }
  });

  it('is told in the words of the scheduler where it named none', async () => {
    const { findings, label } = await backUp({ backupType: 'incremental', fullBecause: 'the last one is damaged' });
    expect(label).toBe('full · space-incremental');
    expect(findings.find(({ code }) => code === 'full_instead')?.message).toBe('A full backup was taken instead: the last one is damaged.');
  });
});

describe('a bit that was flipped in what a link rests upon', () => {
  it('is found by the verification of the link on every level, and nothing is restored', async () => {
    const packs = join(storageIn(folder).path, 'main/packs');
    const files = (await readdir(packs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const sized = await Promise.all(
      files.map(async ({ parentPath, name }) => ({ path: join(parentPath, name), bytes: await readFile(join(parentPath, name)) })),
    );
    // The first of the largest: the full backup made it.
    const { path, bytes } = sized.reduce((largest, file) => (file.bytes.length > largest.bytes.length ? file : largest));
    bytes[bytes.length >> 1]! ^= 1;
    await chmod(path, 0o600);
    await writeFile(path, bytes);
    for (const level of ['BASIC', 'DATABASE', 'FULL'] as const) {
      const { findings } = await verify(chain[2]!.snapshot, level);
      expect(findings.filter(({ severity }) => severity === 'blocker').length).toBeGreaterThan(0);
    }
    const offline = await openOfflineRepository(join(storageIn(folder).path, 'main'), { type: 'passphrase', passphrase: PASSPHRASE });
    const target = { kind: 'folder' as const, path: join(folder, 'never') };
    await expect(offline.restore({ snapshot: chain[2]!.snapshot, target })).rejects.toMatchObject({ code: 'repository_damaged' });
    expect(await readdir(folder)).not.toContain('never');
  });
});
