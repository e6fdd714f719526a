import type { RepositoryContext } from '../context.js';
import { unwrapPackKey, wrapPackKey, type PackKind } from '../keys/pack-keys.js';
import { openSealedFile, sealFile, type SealedType } from './sealed-file.js';

/** How the files of one repository are sealed, and the keys of its packs wrapped. */
export interface Sealing {
  seal(type: SealedType, name: string, payload: Buffer): Buffer;
  /** Throws `repository_damaged` where the file was sealed for another type, name or repository. */
  open(type: SealedType, name: string, file: Buffer): Buffer;
  wrapPackKey(kind: PackKind, packKey: Buffer): Promise<Buffer>;
  unwrapPackKey(kind: PackKind, wrapped: Buffer): Promise<Buffer>;
}

export type SealingContext = Pick<RepositoryContext, 'keys' | 'repositoryId' | 'sealing'>;

/** By the repository's keys, where the context brings no other. */
export function sealingOf({ keys, repositoryId, sealing }: SealingContext): Sealing {
  return (
    sealing ?? {
      seal: (type, name, payload) => sealFile(keys.metadata, { repositoryId, type, name }, payload),
      open: (type, name, file) => openSealedFile(keys.metadata, { repositoryId, type, name }, file),
      wrapPackKey: (kind, packKey) => wrapPackKey(keys, repositoryId, kind, packKey),
      unwrapPackKey: (kind, wrapped) => unwrapPackKey(keys, repositoryId, kind, wrapped),
    }
  );
}
