import { describe, expect, it } from '@jest/globals';
import { bodyLimitOf } from './body-limits.js';

describe('the limit of a body', () => {
  it.each([
    ['/api/v2/sessions', 64],
    ['/api/v2/runs/run_1?x=1', 64],
    ['/API/v2/Plans/', 1024],
    ['/api/v2/restore-plans', 1024],
    ['/api/v2/documents/apply', 8192],
    ['/internal/v1/anything', 8192],
    ['/api/v2/constructor', 64],
    ['/api/v2', 64],
    ['/', 64],
  ])('of %s is %d KiB', (path, kib) => expect(bodyLimitOf(path)).toBe(kib * 1024));
});
