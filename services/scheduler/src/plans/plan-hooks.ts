import type { Hook, HookInput, HookOutline } from '@rahat/contracts';

/** As it stands in the database. */
export type StoredHook = HookOutline & { sealedAuthorization?: string };

/** A hook that brings no authorization keeps the one of its name, but never for another place: it was given for the one it had. */
export function storedHooks(
  wanted: readonly HookInput[],
  before: readonly StoredHook[],
  seal: (authorization: string) => string,
): StoredHook[] {
  return wanted.map((hook): StoredHook => {
    if (hook.kind === 'script') return hook;
    const { authorization, ...outline } = hook;
    const known = before.find((candidate) => candidate.name === hook.name && candidate.kind === 'http' && candidate.url === hook.url);
    const sealedAuthorization = authorization === undefined ? known?.sealedAuthorization : seal(authorization);
    return { ...outline, ...(sealedAuthorization === undefined ? {} : { sealedAuthorization }) };
  });
}

export function presentHook({ sealedAuthorization, ...outline }: StoredHook): Hook {
  return outline.kind === 'http' ? { ...outline, authorizationSet: sealedAuthorization !== undefined } : outline;
}

/** For the worker, which is sent them sealed. */
export function openedHook({ sealedAuthorization, ...outline }: StoredHook, open: (sealed: string) => string): HookInput {
  return outline.kind === 'http' && sealedAuthorization !== undefined ? { ...outline, authorization: open(sealedAuthorization) } : outline;
}
