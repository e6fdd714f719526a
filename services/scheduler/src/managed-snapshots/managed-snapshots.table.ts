import { newIdAt, type FoundManagedSnapshots, type ManagedSnapshot, type ManagedSnapshotQuery } from '@rahat/contracts';
import type { Transaction } from '@rahat/persistence';

interface ManagedSnapshotRow {
  id: string;
  organization_id: string;
  server_id: string;
  reference: string;
  name: string;
  of: ManagedSnapshot['of'];
  origin: ManagedSnapshot['origin'];
  engine: string;
  engine_version: string | null;
  allocated_gib: number | null;
  encrypted: boolean;
  key_id: string | null;
  status: string;
  created_at: Date | null;
  first_seen_at: Date;
  seen_at: Date;
  gone_at: Date | null;
}

/** The newest first: those after a place, and one more than asked for. */
export async function listManagedSnapshots(
  transaction: Transaction,
  server: string,
  { origin, gone, limit }: ManagedSnapshotQuery,
  after: string | undefined,
): Promise<ManagedSnapshotRow[]> {
  return transaction.query<ManagedSnapshotRow>(
    `SELECT * FROM managed_snapshots WHERE server_id = $1 AND ($2::text IS NULL OR id < $2) AND ($3::text IS NULL OR origin = $3)
       AND ($4::boolean IS NULL OR (gone_at IS NOT NULL) = $4)
     ORDER BY id DESC LIMIT $5`,
    [server, after ?? null, origin ?? null, gone === undefined ? null : gone === 'true', limit + 1],
  );
}

/** Brings the references to what was found. What isn't there any more is marked and stays, unless not all was told. */
export async function takeManagedSnapshots(
  transaction: Transaction,
  server: { id: string; organization_id: string },
  { snapshots, complete }: Pick<FoundManagedSnapshots, 'snapshots' | 'complete'>,
  now: Date,
): Promise<{ appeared: string[]; gone: string[] }> {
  const found = snapshots.map((snapshot) => ({
    ...snapshot,
    id: newIdAt('managedSnapshot', snapshot.createdAt === null ? now : new Date(snapshot.createdAt)),
  }));
  const written = await transaction.query<{ name: string; appeared: boolean }>(
    `INSERT INTO managed_snapshots (id, organization_id, server_id, reference, name, "of", origin, engine, engine_version, allocated_gib, encrypted, key_id, status, created_at, first_seen_at, seen_at)
     SELECT id, $1, $2, reference, name, "of", origin, engine, "engineVersion", "allocatedGib", encrypted, "keyId", status, "createdAt", $3, $3
     FROM jsonb_to_recordset($4) AS found (id text, reference text, name text, "of" text, origin text, engine text, "engineVersion" text,
       "allocatedGib" integer, encrypted boolean, "keyId" text, status text, "createdAt" timestamptz)
     ON CONFLICT (server_id, reference) DO UPDATE SET name = EXCLUDED.name, engine_version = EXCLUDED.engine_version,
       allocated_gib = EXCLUDED.allocated_gib, encrypted = EXCLUDED.encrypted, key_id = EXCLUDED.key_id, status = EXCLUDED.status,
       created_at = EXCLUDED.created_at, seen_at = EXCLUDED.seen_at, gone_at = NULL
     RETURNING name, xmax = 0 AS appeared`,
    [server.organization_id, server.id, now, JSON.stringify(found)],
  );
  const vanished = complete
    ? await transaction.query<{ name: string }>(
        `UPDATE managed_snapshots SET gone_at = $2 WHERE server_id = $1 AND gone_at IS NULL AND reference <> ALL ($3::text[]) RETURNING name`,
        [server.id, now, snapshots.map(({ reference }) => reference)],
      )
    : [];
  return { appeared: written.filter(({ appeared }) => appeared).map(({ name }) => name), gone: vanished.map(({ name }) => name) };
}

/** All of a server: it is asked for in another way now, or no more. */
export async function forgetManagedSnapshots(transaction: Transaction, server: string): Promise<number> {
  return (await transaction.query(`DELETE FROM managed_snapshots WHERE server_id = $1 RETURNING id`, [server])).length;
}

export function presentManagedSnapshot(row: ManagedSnapshotRow): ManagedSnapshot {
  return {
    id: row.id,
    server: row.server_id,
    reference: row.reference,
    name: row.name,
    of: row.of,
    origin: row.origin,
    engine: row.engine,
    engineVersion: row.engine_version,
    allocatedGib: row.allocated_gib,
    encrypted: row.encrypted,
    keyId: row.key_id,
    status: row.status,
    createdAt: row.created_at?.toISOString() ?? null,
    vanishesWithServer: row.origin === 'automated',
    firstSeenAt: row.first_seen_at.toISOString(),
    seenAt: row.seen_at.toISOString(),
    goneAt: row.gone_at?.toISOString() ?? null,
  };
}
