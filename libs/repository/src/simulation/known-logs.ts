import type { RepositoryContext } from '../context.js';
import { openLog } from '../logs/log-files.js';
import { manifestIdOf } from '../manifests/manifest-ids.js';
import type { StoredObject } from '../snapshots/manifest.js';

/** Which pieces of a log stand in which files of manifests: as they were committed, or merged. */
export class KnownLogs {
  private readonly piecesOf = new Map<string, string[]>();
  private readonly filesOf = new Map<string, Set<string>>();

  constructor(private readonly context: Pick<RepositoryContext, 'keys' | 'repositoryId' | 'sealing'>) {}

  /** Gives the chunks that it needs, as far as they stand in it. */
  stored(name: string, bytes: Buffer): string[] {
    const { objects } = openLog(this.context as RepositoryContext, manifestIdOf(name), bytes);
    if (!this.piecesOf.has(name)) {
      const pieces = objects.map(pieceOf);
      this.piecesOf.set(name, pieces);
      for (const piece of pieces) this.filesOf.set(piece, (this.filesOf.get(piece) ?? new Set()).add(name));
    }
    return objects.flatMap(({ recipe }) => ('chunks' in recipe ? recipe.chunks.map(([id]) => id) : []));
  }

  /** Gives the pieces that stand nowhere any more. */
  removed(name: string): string[] {
    const pieces = this.piecesOf.get(name) ?? [];
    this.piecesOf.delete(name);
    for (const piece of pieces) this.filesOf.get(piece)?.delete(name);
    return pieces.filter((piece) => !this.stands(piece));
  }

  stands(piece: string): boolean {
    return (this.filesOf.get(piece)?.size ?? 0) > 0;
  }
}

/** One commit's bytes of a log, wherever they are told of. */
export function pieceOf({ key, sha256 }: Pick<StoredObject, 'key' | 'sha256'>): string {
  return `${key} ${sha256}`;
}
