import { RahatError } from '@rahat/contracts';
import type { z } from 'zod';
import type { RepositoryContext } from '../context.js';
import type { SealedType } from '../sealed-files/sealed-file.js';
import { sealingOf } from '../sealed-files/sealing.js';
import { called, isLogId, standingName } from './manifest-ids.js';

interface ManifestIdentity {
  type: SealedType & ('manifest' | 'log');
  id: string;
}

export function sealAs(context: RepositoryContext, { type, id }: ManifestIdentity, manifest: object): Buffer {
  return sealingOf(context).seal(type, standingName(id), Buffer.from(JSON.stringify(manifest)));
}

/** `id` as the file is named: a manifest that says another one, or another repository, is refused. */
export function openAs<S extends z.ZodType<{ repository: string }>>(
  context: RepositoryContext,
  { type, id }: ManifestIdentity,
  file: Buffer,
  { schema, ownId }: { schema: S; ownId: (manifest: z.infer<S>) => string },
): z.infer<S> {
  const payload = sealingOf(context).open(type, standingName(id), file);
  const json = JSON.parse(payload.toString('utf8')) as { format?: unknown };
  if (json.format !== 1)
    throw new RahatError('repository_unsupported', `The manifest of ${called(id)} has the unknown format ${String(json.format)}.`);
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new RahatError('repository_damaged', `The manifest of ${called(id)} cannot be understood.`, { cause: parsed.error });
  if (ownId(parsed.data) === id && parsed.data.repository === context.repositoryId.toString('hex')) return parsed.data;
  const kind = isLogId(id) ? 'log' : 'snapshot';
  throw new RahatError('repository_damaged', `The manifest of ${called(id)} names another ${kind} or repository.`);
}
