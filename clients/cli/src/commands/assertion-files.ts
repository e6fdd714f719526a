import { Assertions, RahatError } from '@rahat/contracts';
import type { z } from 'zod';
import { readDocuments } from '../session/document-files.js';

/** The list in a JSON or YAML file; `none` = no assertions. */
export async function assertionsIn(place: string): Promise<z.infer<typeof Assertions>> {
  if (place === 'none') return [];
  const read = Assertions.safeParse(await readDocuments([place]));
  if (read.success) return read.data;
  const [mistake] = read.error.issues;
  throw new RahatError('invalid_input', `${place}: ${mistake!.path.join('/')} ${mistake!.message}`, {
    hint: 'Each assertion has a name, its sql and what to expect, for example expect: { kind: range, min: 1 }.',
  });
}
