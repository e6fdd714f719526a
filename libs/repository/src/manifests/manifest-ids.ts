import { RahatError } from '@rahat/contracts';
import { LOGS_PREFIX, SNAPSHOTS_PREFIX, TRASH_PREFIX } from '../layout.js';

/** Ids become file names and part of what authenticates them. `trash/logs` is a folder. */
const SNAPSHOT_ID = /^(?!logs$)[a-z0-9][a-z0-9._-]{0,149}$/;
/** With `trash/` before it a log's name stays within the 200 bytes that storages take. */
const LOG_ID = /^logs\/[a-z0-9][a-z0-9._-]{0,49}\/[0-9a-f-]{1,64}_[0-9a-f-]{1,64}$/;

/**
 * What tells one manifest from all others, wherever it stands: of a snapshot its own id, of a log the name of its file, which has
 * slashes and so is no snapshot's id.
 */
export function isLogId(id: string): boolean {
  return id.startsWith(LOGS_PREFIX);
}

/** Where it stands unless it was taken away, and by which it is sealed: in trash/ too, so that going there and back is a plain rename. */
export function standingName(id: string): string {
  return isLogId(id) ? id : `${SNAPSHOTS_PREFIX}${id}`;
}

export function manifestIdOf(fileName: string): string {
  const prefix = [TRASH_PREFIX, SNAPSHOTS_PREFIX].find((each) => fileName.startsWith(each)) ?? '';
  return fileName.slice(prefix.length);
}

/** For messages. */
export function called(id: string): string {
  return isLogId(id) ? `log ${id.slice(LOGS_PREFIX.length)}` : `snapshot ${id}`;
}

export function assertManifestId(id: string): void {
  if ((isLogId(id) ? LOG_ID : SNAPSHOT_ID).test(id)) return;
  const rule = isLogId(id)
    ? 'the name of a log (logs/<stream>/<first>_<last>; first and last of up to 64 hex digits and "-")'
    : 'a snapshot id (lower-case letters, digits, ".", "_", "-")';
  throw new RahatError('invalid_input', `${JSON.stringify(id)} is not ${rule}.`);
}
