import type { PreflightReport } from '@rahat/contracts';
import { connectClient } from '../connect.js';
import { lacksRight, queryError } from '../errors.js';
import type { RoutedConnection } from '../reach/index.js';
import { LABEL } from './found-role.js';

/** What is granted only where it is needed, because it is more than reading tables. */
const APPLIED = new Set(['large_objects_unreadable']);

/** Runs the report's own SQL as the administrator, as far as he may; says whether anything was given. */
export async function applyCures(admin: RoutedConnection, { findings }: PreflightReport, signal: AbortSignal): Promise<boolean> {
  const due = findings.filter(({ code, cure }) => APPLIED.has(code) && cure !== undefined);
  let given = false;
  for (const { cure, database } of due) {
    const where = cure!.scope === 'database' ? database : undefined;
    await using client = await connectClient(admin, { database: where ?? admin.maintenanceDatabase, label: LABEL, signal });
    try {
      await client.query(cure!.sql);
      given = true;
    } catch (error) {
      // The second look finds it again, and says so.
      if (!lacksRight(error)) throw queryError(error, 'granting what only some databases need');
    }
  }
  return given;
}
