import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { RahatDocument } from '@rahat/contracts';
import { parseAllDocuments } from 'yaml';

const DOCUMENT = new URL('../../../../docs/DOCUMENTS.md', import.meta.url);

describe('docs/DOCUMENTS.md', () => {
  it('shows documents that are valid', async () => {
    const [, yaml] = /```yaml\n([^]*?)```/.exec(await readFile(DOCUMENT, 'utf8'))!;
    const kinds = parseAllDocuments(yaml!).map((document) => RahatDocument.parse(document.toJS()).kind);
    expect(kinds).toEqual(['Server', 'ServerGroup', 'Plan']);
  });
});
