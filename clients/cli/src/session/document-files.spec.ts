import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readDocuments, secretsOf } from './document-files.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rahat-documents-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const write = async (name: string, content: string) => {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
};

describe('document files', () => {
  it('are YAML with any number of documents, JSON, or whole folders', async () => {
    const yaml = await write('b.yaml', '# nothing\n---\nkind: Plan\n---\nkind: Server\n');
    const json = await write('a.json', '{"kind":"List","items":[{"kind":"Storage"}]}');
    const list = await write('c.json', '[{"kind":"Plan"},{"kind":"Server"}]');
    expect(await readDocuments([list])).toEqual([{ kind: 'Plan' }, { kind: 'Server' }]);
    await rm(list);
    await write('notes.txt', 'kind: Not read');
    expect(await readDocuments([yaml])).toEqual([{ kind: 'Plan' }, { kind: 'Server' }]);
    expect(await readDocuments([json])).toEqual([{ kind: 'Storage' }]);
    expect(await readDocuments([folder])).toEqual([{ kind: 'Storage' }, { kind: 'Plan' }, { kind: 'Server' }]);
  });

  it('that are no YAML, are missing or explode are refused by name', async () => {
    await expect(readDocuments([await write('wrong.yaml', 'a: [')])).rejects.toThrow(/wrong\.yaml is no YAML/);
    await expect(readDocuments([path.join(folder, 'nothing.yaml')])).rejects.toThrow(/cannot be read/);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...['b', 'c', 'd', 'e', 'f'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcde'[index]}`).join(',')}]`),
    ].join('\n');
    await expect(readDocuments([await write('bomb.yaml', bomb)])).rejects.toThrow(/alias/i);
  });

  it('leave their secrets where the references say', async () => {
    const file = await write('secret', 'from a file\n');
    const documents = [
      { spec: { password: { secretRef: { env: 'HERE' } } } },
      { spec: { deep: [{ passphrase: { secretRef: { file } } }] } },
      { x: { secretRef: { env: 'NOT_SET' } } },
    ];
    expect(await secretsOf(documents, { HERE: 'from the environment' })).toEqual({
      'env:HERE': 'from the environment',
      [`file:${file}`]: 'from a file',
    });
    await expect(secretsOf([{ secretRef: { file: '/nowhere/secret' } }])).rejects.toThrow('/nowhere/secret');
  });
});
