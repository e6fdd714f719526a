import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyExport } from '@rahat/audit-trail';
import { generateKeyPair, exportJWK } from 'jose';
import { openTestTrail, ownerOf, type TestTrail } from '../testing/open-test-trail.js';
import { csvLine } from './csv.js';

let test: TestTrail;
beforeAll(async () => {
  test = await openTestTrail();
  for (let number = 1; number <= 120; number++) await test.record('org_a', `plan ${number}`);
});
afterAll(async () => test?.[Symbol.asyncDispose]());

async function exported(format: 'jsonl' | 'csv', after = 0): Promise<string[]> {
  let text = '';
  for await (const part of await test.exports.open(ownerOf('org_a'), { format, after })) text += part;
  return text.split(format === 'csv' ? '\r\n' : '\n').slice(0, -1);
}
async function* each(lines: string[]): AsyncGenerator<string> {
  yield* lines;
}
const changed = (lines: string[], number: number, change: (line: Record<string, unknown>) => object) =>
  lines.map((line, index) => (index === number ? JSON.stringify(change(JSON.parse(line) as Record<string, unknown>)) : line));

describe('an exported trail', () => {
  it('is verified offline with its signed heads, and says that it was exported', async () => {
    const lines = await exported('jsonl');
    const { keys } = await test.keys.jwks();
    expect(await verifyExport(each(lines), { trusted: keys })).toMatchObject({
      intact: true,
      entries: 121,
      signedHeads: 1,
      organization: 'org_a',
      keys: [keys[0]!.kid],
    });
    expect(await test.search.list('org_a', { limit: 1, action: 'audit.' })).toMatchObject({
      data: [{ sequence: 121, action: 'audit.exported', details: { format: 'jsonl' }, actor: { id: 'user_1' } }],
    });
  });

  it('goes on from an earlier one', async () => {
    const lines = await exported('jsonl', 110);
    expect(await verifyExport(each(lines))).toMatchObject({ intact: true, startsAfter: 110 });
    await expect(exported('jsonl', 100_000)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('shows every change that was made to the file', async () => {
    const lines = await exported('jsonl');
    const end = lines.length - 1;
    const verdictOf = async (changedLines: string[]) => (await verifyExport(each(changedLines))).intact;
    expect(await verdictOf(lines)).toBe(true);
    const edits = [
      changed(lines, 50, (line) => ({ ...line, content: String(line['content']).replace('Ada', 'Eve') })),
      [...lines.slice(0, 50), ...lines.slice(51)],
      [...lines.slice(0, 30), lines[31]!, lines[30]!, ...lines.slice(32)],
      lines.slice(0, end),
      [...lines.slice(0, end - 2), lines[end]!],
      lines.slice(0, 40),
      changed(lines, end, (line) => ({ ...line, head: null })),
      changed(lines, 100, (line) => ({ ...line, head: null })),
      [lines[0]!, ...lines.slice(5)],
    ];
    for (const edited of edits) expect(await verdictOf(edited)).toBe(false);
    const stranger = { ...(await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)), kid: 'x' };
    expect(await verifyExport(each(lines), { trusted: [stranger] })).toMatchObject({ intact: false });
    await expect(verifyExport(each(['{"type":"nothing"}']))).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('is a table too, with the heads', async () => {
    await test.record('org_a', '=HYPERLINK("http://evil","x")');
    const lines = await exported('csv');
    expect(lines[0]).toMatch(/^sequence,at,action,.*,signed_head$/);
    expect(lines.find((line) => line.includes('HYPERLINK'))).toContain(`,"'=HYPERLINK(""http://evil"",""x"")",`);
    expect(lines[100]).toMatch(/^100,.*,eyJ[\w.-]+$/);
    expect(lines.at(-1)).toMatch(/audit\.exported.*,eyJ[\w.-]+$/);
  });
});

describe('a line of CSV', () => {
  it.each([
    ['=1+1', `'=1+1`],
    ['+1', `'+1`],
    ['-1', `'-1`],
    ['@SUM(1)', `'@SUM(1)`],
    ['\t=1', `'\t=1`],
    ['  =1', `'  =1`],
    ['a,b', '"a,b"'],
    ['a"b\nc', '"a""b\nc"'],
    ['plain', 'plain'],
  ])('makes %j harmless', (text, cell) => expect(csvLine([text, null, 5])).toBe(`${cell},,5\r\n`));
});
