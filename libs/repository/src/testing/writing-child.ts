import { openS3Store } from '@rahat/blob-store-s3';
import { S3Connection } from '@rahat/contracts';
import { openRepository } from '../open-repository.js';
import { describing, noise, PASSPHRASE, pieces } from './builders.js';

// A writer that a test kills in its middle: `node writing-child.js <connection as JSON on stdin>`. It never commits.
const input: Buffer[] = [];
for await (const part of process.stdin) input.push(part as Buffer);
const connection = S3Connection.parse(JSON.parse(Buffer.concat(input).toString('utf8')));

const repository = await openRepository(await openS3Store(connection), { type: 'passphrase', passphrase: PASSPHRASE });
const session = await repository.beginWriting({ writer: 'killed' });
for (let part = 0; ; part++) {
  await session.writeObject(describing(`rows/${part}`), pieces(noise(12_000_000, part + 1)));
  process.stdout.write(`${part}\n`);
}
