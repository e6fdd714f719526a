import { z } from 'zod';
import { PlainText } from './plain-text.js';

const head = {
  /** Unique in its plan. */
  name: PlainText.trim().min(1).max(100),
  when: z.enum(['before', 'after_success', 'after_failure']),
  timeoutSeconds: z.number().int().min(1).max(600).default(30),
  /** Whether a failing hook before a backup fails the run. What happens after a backup never changes its outcome. */
  onFailure: z.enum(['fail', 'ignore']).default('fail'),
};

/** A file of the folder that the worker's operator allows for it. */
const HookFile = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'the plain name of a file in the hooks folder of the worker');

export const HttpHook = z
  .object({
    ...head,
    kind: z.literal('http'),
    method: z.enum(['POST', 'PUT', 'GET']).default('POST'),
    url: z
      .url({ protocol: /^https?$/ })
      .max(2_000)
      .refine(
        (url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''),
        'credentials belong into authorization',
      ),
  })
  .strict();

export const ScriptHook = z
  .object({ ...head, kind: z.literal('script'), script: HookFile, args: z.array(PlainText.max(500)).max(20).default([]) })
  .strict();

/** What is done before or after a plan's backups, by the worker that makes them. */
export const HookOutline = z.discriminatedUnion('kind', [HttpHook, ScriptHook]);
export type HookOutline = z.infer<typeof HookOutline>;

/** With the value of its Authorization header, which is kept sealed and never given back. */
export const HookInput = z.discriminatedUnion('kind', [
  HttpHook.extend({ authorization: z.string().min(1).max(4_000).optional() }),
  ScriptHook,
]);
export type HookInput = z.infer<typeof HookInput>;

export const Hook = z.discriminatedUnion('kind', [HttpHook.extend({ authorizationSet: z.boolean() }), ScriptHook]);
export type Hook = z.infer<typeof Hook>;
