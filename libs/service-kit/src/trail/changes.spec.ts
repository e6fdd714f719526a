import { describe, expect, it } from '@jest/globals';
import { changesBetween } from './changes.js';

const server = { name: 'a', address: { host: 'h', port: 1 }, tags: ['x'], note: undefined };

describe('the changes that a trail tells', () => {
  it('are the members that differ, before and after', () =>
    expect(changesBetween(server, { ...server, address: { host: 'h', port: 2 }, tags: ['x'], note: 'n' })).toEqual({
      before: { address: { host: 'h', port: 1 } },
      after: { address: { host: 'h', port: 2 }, note: 'n' },
    }));
  it('are the whole of what came to be, and of what ceased', () => {
    expect(changesBetween(undefined, { name: 'a' })).toEqual({ after: { name: 'a' } });
    expect(changesBetween({ name: 'a' }, undefined)).toEqual({ before: { name: 'a' } });
  });
  it('say of a credential that it changed, and nothing of it', () => {
    expect(changesBetween(server, server, { password: true, secretKey: false })).toEqual({ before: {}, after: { password: '[changed]' } });
  });
});
