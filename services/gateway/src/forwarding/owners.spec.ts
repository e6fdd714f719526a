import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ownerOf } from './owners.js';

const DOCUMENT = path.join(import.meta.dirname, '../../../../libs/api-client/openapi.json');
const { paths } = JSON.parse(readFileSync(DOCUMENT, 'utf8')) as { paths: Record<string, unknown> };

describe('the owners of paths', () => {
  it('are known for every path of the API', () => {
    const ownerless = Object.keys(paths).filter((name) => ownerOf(name) === undefined);
    expect(Object.keys(paths).length).toBeGreaterThan(50);
    expect(ownerless).toEqual([]);
  });

  it.each([
    ['/API/v2/Plans/', 'scheduler'],
    ['/api/v2/search?q=shop', 'scheduler'],
    ['/.well-known/jwks.json', 'auth'],
    ['/', undefined],
    ['/api/v2/constructor', undefined],
  ])('of %s is %s', (url, owner) => expect(ownerOf(url)).toBe(owner));
});
