import { describe, expect, it } from '@jest/globals';
import type { HookInput } from '@rahat/contracts';
import { openedHook, presentHook, storedHooks } from './plan-hooks.js';

const http = (change: object = {}): HookInput =>
  ({
    kind: 'http',
    name: 'tell',
    when: 'before',
    timeoutSeconds: 30,
    onFailure: 'fail',
    method: 'POST',
    url: 'https://hooks.example/a',
    ...change,
  }) as HookInput;
const seal = (text: string) => `sealed(${text})`;
const open = (text: string) => text.slice(7, -1);

describe('the hooks of a plan', () => {
  it('keep their authorization sealed, and show only that it is there', () => {
    const stored = storedHooks([http({ authorization: 'Bearer x' })], [], seal);
    expect(stored[0]).toMatchObject({ sealedAuthorization: 'sealed(Bearer x)' });
    expect(stored[0]).not.toHaveProperty('authorization');
    expect(presentHook(stored[0]!)).toEqual({ ...http(), authorizationSet: true });
    expect(openedHook(stored[0]!, open)).toEqual(http({ authorization: 'Bearer x' }));
  });

  it('keep it through changes, but not for another place or name', () => {
    const before = storedHooks([http({ authorization: 'Bearer x' })], [], seal);
    const after = (change: object) => presentHook(storedHooks([http(change)], before, seal)[0]!);
    expect(after({ timeoutSeconds: 5 })).toMatchObject({ authorizationSet: true });
    expect(after({ url: 'https://attacker.example' })).toMatchObject({ authorizationSet: false });
    expect(after({ name: 'other' })).toMatchObject({ authorizationSet: false });
  });
});
