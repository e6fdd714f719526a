import type { RahatError } from '@rahat/contracts';
import type { Manifest } from '../snapshots/manifest.js';

/** Where a manifest stands: one in the trash can still be brought back. */
type Place = 'snapshots' | 'trash';

/** All that a catalog keeps of one snapshot, and that its manifest tells but for the contents of its objects. */
export type CatalogEntry =
  | {
      ok: true;
      id: string;
      place: Place;
      storedAt: Date;
      /** Where the storage locks it against removal. */
      lockedUntil?: Date;
      facts: Omit<Manifest, 'objects'>;
      objects: number;
      /** Of all objects that are tables' rows. */
      rows: number;
    }
  /** Listed as it is, and never passed over in silence. */
  | { ok: false; id: string; place: Place; storedAt: Date; error: RahatError };

export interface CatalogOptions {
  /** Goes on behind this entry, given as `place/id`. */
  after?: string;
  signal?: AbortSignal;
}
