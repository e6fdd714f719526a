import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CreateDBClusterCommand,
  CreateDBClusterSnapshotCommand,
  CreateDBInstanceCommand,
  CreateDBSnapshotCommand,
  DeleteDBSnapshotCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { RahatError, type CloudAccountConnection, type RdsResource } from '@rahat/contracts';
import { hasS3, startS3, type S3Server } from '@rahat/test-servers';
import { askManagedSnapshots } from './ask-managed-snapshots.js';
import { rdsError } from './rds-errors.js';

const REGION = 'eu-west-1';
const CREDENTIALS = { source: 'access-key', accessKeyId: 'AKIAPLANTED', secretAccessKey: 'planted secret' } as const;
const account = (resource: RdsResource): CloudAccountConnection => ({
  provider: 'aws',
  region: REGION,
  resource,
  credentials: CREDENTIALS,
});
const { signal } = new AbortController();

/** moto, which stands in for all of Amazon's services at one address, in place of the real one. */
(hasS3('moto') ? describe : describe.skip)('the snapshots that Amazon holds', () => {
  let moto: S3Server;
  let rds: RDSClient;
  const ask = (resource: RdsResource) => askManagedSnapshots(account(resource), { endpoint: moto.endpoint, signal });

  beforeAll(async () => {
    moto = await startS3('moto');
    rds = new RDSClient({ endpoint: moto.endpoint, region: REGION, credentials: CREDENTIALS });
    const instance = { Engine: 'postgres', EngineVersion: '16.3', DBInstanceClass: 'db.t3.micro', AllocatedStorage: 20 };
    for (const id of ['shop', 'crm'])
      await rds.send(
        new CreateDBInstanceCommand({
          ...instance,
          DBInstanceIdentifier: id,
          BackupRetentionPeriod: 7,
          StorageEncrypted: id === 'shop',
          MasterUsername: 'postgres',
          MasterUserPassword: 'password',
        }),
      );
    for (const name of ['before-release', 'after-release'])
      await rds.send(new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'shop', DBSnapshotIdentifier: name }));
    await rds.send(new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'crm', DBSnapshotIdentifier: 'of-another' }));
    await rds.send(
      new CreateDBClusterCommand({
        DBClusterIdentifier: 'ledger',
        Engine: 'aurora-postgresql',
        EngineVersion: '15.4',
        BackupRetentionPeriod: 3,
        MasterUsername: 'postgres',
        MasterUserPassword: 'password',
      }),
    );
    await rds.send(
      new CreateDBInstanceCommand({
        DBInstanceIdentifier: 'ledger-1',
        DBClusterIdentifier: 'ledger',
        Engine: 'aurora-postgresql',
        DBInstanceClass: 'db.r6g.large',
      }),
    );
    await rds.send(new CreateDBClusterSnapshotCommand({ DBClusterIdentifier: 'ledger', DBClusterSnapshotIdentifier: 'quarter' }));
  });
  afterAll(async () => {
    rds?.destroy();
    await moto?.[Symbol.asyncDispose]();
  });

  it('of an instance are told whole, those of others are not', async () => {
    const found = await ask({ kind: 'instance', id: 'shop' });
    expect(found).toMatchObject({
      resource: { kind: 'instance', id: 'shop' },
      complete: true,
      recovery: { engine: 'postgres', engineVersion: '16.3', retentionDays: 7 },
    });
    const manual = found.snapshots.filter(({ origin }) => origin === 'manual');
    expect(manual.map(({ name }) => name).sort()).toEqual(['after-release', 'before-release']);
    expect(manual[0]).toMatchObject({
      reference: expect.stringMatching(/^arn:aws:rds:eu-west-1:\d+:snapshot:/),
      of: 'instance',
      engine: 'postgres',
      engineVersion: '16.3',
      allocatedGib: 20,
      encrypted: true,
      keyId: expect.any(String),
      status: 'available',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(found.snapshots.some(({ origin }) => origin === 'automated')).toBe(true);
    await rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: 'before-release' }));
    expect((await ask({ kind: 'instance', id: 'shop' })).snapshots.map(({ name }) => name)).not.toContain('before-release');
  });

  it('of a cluster are also those of its instances', async () => {
    for (const resource of [{ kind: 'cluster', id: 'ledger' } as const, { kind: 'instance', id: 'ledger-1' } as const]) {
      const found = await ask(resource);
      expect(found).toMatchObject({
        resource: { kind: 'cluster', id: 'ledger' },
        recovery: { engine: 'aurora-postgresql', retentionDays: 3 },
      });
      expect(found.snapshots.find(({ name }) => name === 'quarter')).toMatchObject({
        of: 'cluster',
        origin: 'manual',
        reference: expect.stringContaining(':cluster-snapshot:'),
      });
    }
  });

  it('are asked for over more than one page', async () => {
    for (let at = 0; at < 105; at++)
      await rds.send(new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'crm', DBSnapshotIdentifier: `many-${at}` }));
    const { snapshots, complete } = await ask({ kind: 'instance', id: 'crm' });
    expect([snapshots.filter(({ name }) => name.startsWith('many-')).length, complete]).toEqual([105, true]);
    expect(new Set(snapshots.map(({ reference }) => reference)).size).toBe(snapshots.length);
  });

  it('are not told of what Amazon does not know, nor by nobody', async () => {
    const refusal = async (asked: Promise<unknown>): Promise<RahatError> =>
      asked.then(
        () => Promise.reject(new Error('it was told')),
        (error: RahatError) => error,
      );
    for (const resource of [{ kind: 'instance', id: 'nobody' } as const, { kind: 'cluster', id: 'nobody' } as const])
      expect(await refusal(ask(resource))).toMatchObject({
        code: 'cloud_refused',
        retryable: false,
        message: expect.stringContaining("'nobody' in eu-west-1"),
      });
    const silent = askManagedSnapshots(account({ kind: 'instance', id: 'shop' }), { endpoint: 'http://127.0.0.1:1', signal });
    expect(await refusal(silent)).toMatchObject({ code: 'cloud_unreachable', retryable: true });
    const ended = AbortSignal.abort(new RahatError('cancelled', 'ended'));
    expect(
      await refusal(askManagedSnapshots(account({ kind: 'instance', id: 'shop' }), { endpoint: moto.endpoint, signal: ended })),
    ).toMatchObject({ code: 'cancelled' });
  });
});

describe('what Amazon refuses', () => {
  it.each([
    ['AccessDenied', 'cloud_refused', 'rds:DescribeDBSnapshots'],
    ['AccessDeniedException', 'cloud_refused', 'rds:DescribeDBSnapshots'],
    ['InvalidClientTokenId', 'cloud_refused', 'a key that is valid'],
    ['ExpiredToken', 'cloud_refused', 'a key that is valid'],
    ['SignatureDoesNotMatch', 'cloud_refused', 'a key that is valid'],
    ['CredentialsProviderError', 'cloud_refused', 'give the worker a role'],
    ['DBInstanceNotFoundFault', 'cloud_refused', 'the region'],
    ['Throttling', 'cloud_unreachable', undefined],
  ])('is told with what cures it: %s', (name, code, hint) => {
    const error = rdsError(Object.assign(new Error('as Amazon says'), { name }), account({ kind: 'instance', id: 'shop' }));
    expect(error.code).toBe(code);
    expect(error.message).toContain('as Amazon says');
    expect(error.message + error.hint).not.toContain(CREDENTIALS.secretAccessKey);
    if (hint !== undefined) expect(error.hint).toContain(hint);
  });
});
