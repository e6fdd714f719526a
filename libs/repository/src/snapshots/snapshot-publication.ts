import type { RepositoryContext } from '../context.js';
import { areSame, type Publication } from '../writing/publish-manifest.js';
import { openManifest, sealManifest } from './manifest-files.js';
import { SnapshotFacts, type Manifest, type StoredObject } from './manifest.js';

export function snapshotPublication(context: RepositoryContext, manifest: Manifest): Publication<Manifest> {
  const { snapshot: id } = manifest;
  const file = sealManifest(context, manifest);
  const open = (other: Buffer): Manifest => openManifest(context, id, other);
  return { id, manifest, file, open, isSameContent: (other) => sameContent(other, manifest) };
}

type Content = SnapshotFacts & { objects: StoredObject[] };

/** Apart from what each try makes anew. */
export function sameContent(a: Content, b: Content): boolean {
  return areSame(contentOf(a), contentOf(b));
}

function contentOf(manifest: Content): object {
  return { ...SnapshotFacts.parse(manifest), objects: manifest.objects };
}
