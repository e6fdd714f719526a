import type pg from 'pg';

/** application_name of all that makes and removes backup users. */
export const LABEL = 'rahat-backup-user';

/** A role of the server as far as making and removing backup users goes. */
export interface FoundRole {
  oid: string;
  superuser: boolean;
  /** Its comment. */
  mark: string | null;
}

export async function findRole(client: pg.Client, name: string): Promise<FoundRole | undefined> {
  const { rows } = await client.query<FoundRole>(
    `SELECT oid::text AS oid, rolsuper AS superuser, shobj_description(oid, 'pg_authid') AS mark FROM pg_roles WHERE rolname = $1`,
    [name],
  );
  return rows[0];
}
