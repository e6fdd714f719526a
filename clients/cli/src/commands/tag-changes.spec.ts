import { describe, expect, it } from '@jest/globals';
import { changedTags } from './tag-changes.js';

describe('changed tags', () => {
  it('take the place of a tag with the same key, and go by tag or by key', () => {
    expect(changedTags(['env=test', 'critical', 'team=a'], ['env=prod'], ['team'])).toEqual(['critical', 'env=prod']);
    expect(changedTags(['env=test'], [], ['env=prod'])).toEqual(['env=test']);
    expect(changedTags(['env=test'], ['env=test'], [])).toEqual(['env=test']);
  });
});
