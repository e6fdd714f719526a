import { appendFile, chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { Fields } from '../format/json-fields.js';
import type { Manifest } from '../format/manifest.js';
import type { ObjectReader } from '../object-reader.js';
import { damaged } from '../reader-error.js';
import { objectOf } from './postgresql-dump.js';
import type { TargetFolder } from './target-folder.js';

/** A restored server must not wake up as a standby of its source, nor recover to a target that its source was given. */
const LEFT_OUT = new Set(['standby.signal', 'recovery.signal', 'postmaster.pid', 'postmaster.opts']);
/** Nor write into its source's archive, follow its source's peers, or take over its subscriptions. */
const EMPTIED = ['restore_command', 'primary_conninfo', 'primary_slot_name', 'recovery_target', 'recovery_target_lsn'].concat(
  ['name', 'time', 'xid'].map((what) => `recovery_target_${what}`),
);
const SAFE_SETTINGS = `
# Added by rahat-reader, so that this copy leaves its source's archive and peers alone. Remove what you want back.
archive_mode = 'off'
max_logical_replication_workers = '0'
${EMPTIED.map((name) => `${name} = ''`).join('\n')}
`;
const LOCAL_ACCESS = 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n';

export function isPostgresqlFolder({ objects }: Manifest): boolean {
  return objects.some(({ key }) => key === 'backup_manifest') && objects.some(({ key }) => key === 'facts');
}

/** Writes `data`, a data directory that a server of the same major recovers from, or one link of such a one, and `tablespaces`. */
export async function restorePostgresqlFolder(reader: ObjectReader, manifest: Manifest, target: TargetFolder): Promise<string> {
  const facts = Fields.parse((await reader.readWhole(objectOf(manifest, 'facts'))).toString('utf8'));
  if (facts.text('format') !== 'postgresql.base/1')
    throw damaged(`snapshots/${manifest.snapshot}`, 'its base backup has an unknown format');
  await makeFolder(target.place('data'));
  const folders = attributes(facts, 'folders');
  for (const path of folders.keys()) await makeFolder(placeOf(target, path));
  const written = new Set<string>();
  for (const object of manifest.objects) {
    const path = pathOf(object.key);
    if (path === undefined || LEFT_OUT.has(path)) continue;
    const place = placeOf(target, path);
    await makeFolder(place.subarray(0, place.lastIndexOf('/')));
    await target.write(place, reader.read(object));
    written.add(path);
  }
  await addConfiguration(facts, target, written);
  const files = [...attributes(facts, 'files')].filter(([path]) => written.has(path));
  // Folders last, and the deepest first: each file made in one changes its time.
  for (const [path, [mode, modifiedAt]] of [...files, ...[...folders].reverse()]) {
    await chmod(placeOf(target, path), mode);
    await utimes(placeOf(target, path), modifiedAt, modifiedAt);
  }
  const major = facts.integer('major', 1);
  const { parent } = manifest.facts;
  if (typeof parent === 'string') return waysOfLink(target, parent, major);
  return `chown -R postgres: ${target.path}
pg_verifybackup --ignore=tablespace_map ${target.final('data')}    # if you like; with the programs of PostgreSQL ${major}
pg_ctl -D ${target.final('data')} start    # as postgres, with the programs of PostgreSQL ${major}`;
}

/** What stands there is no data directory yet: some files hold only what changed since the parent (docs/REPOSITORY_FORMAT.md §11). */
function waysOfLink(target: TargetFolder, parent: string, major: number): string {
  return `This is one link of a chain: it holds what changed since the snapshot ${parent}.
rahat-reader restore <repository> ${parent} --to <folder of the parent>    # if that says the same, its parent too, down to a full one
pg_combinebackup <folder of the full one>/data … <folder of the parent>/data ${target.final('data')} -o <data>    # with the programs of PostgreSQL ${major}, the oldest first
# where there are tablespaces, with --tablespace-mapping=${target.final('tablespaces', '<oid>')}=<new folder> for each
chown -R postgres: <data>
pg_ctl -D <data> start    # as postgres, with the programs of PostgreSQL ${major}`;
}

/** Undefined for the objects that are no file of the server. */
function pathOf(key: string): string | undefined {
  if (key === 'backup_manifest') return key;
  if (key.startsWith('base/')) return key.slice('base/'.length);
  return key.startsWith('tablespace/') ? `pg_tblspc/${key.slice('tablespace/'.length)}` : undefined;
}

/** Where a path of the data directory lies here. What isn't UTF-8 is written as `\x` and hex; what would lead out of the folder is refused. */
function placeOf(target: TargetFolder, path: string): Buffer {
  const bytes = (text: string) => (text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text));
  const tablespace = /^pg_tblspc\/(\d+)\/(.+)$/s.exec(path);
  const below = bytes(tablespace?.[2] ?? path);
  const parts = below.toString('latin1').split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
    throw damaged('packs/', `the backup holds a path outside its data directory: ${path}`);
  return Buffer.concat([Buffer.from(`${tablespace ? target.place('tablespaces', tablespace[1] ?? '') : target.place('data')}/`), below]);
}

async function addConfiguration(facts: Fields, target: TargetFolder, written: Set<string>): Promise<void> {
  await appendFile(target.place('data', 'postgresql.auto.conf'), SAFE_SETTINGS, { mode: 0o600 });
  // Where the source's configuration lay elsewhere (Debian), the copy gets what it needs to start.
  const settings = Object.entries(facts.raw('settings') as Record<string, string>);
  const lines = settings.map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  if (!written.has('postgresql.conf')) await target.write(target.place('data', 'postgresql.conf'), lines);
  if (!written.has('pg_hba.conf')) await target.write(target.place('data', 'pg_hba.conf'), [LOCAL_ACCESS]);
  const tablespaces = facts.objects('tablespaces').map((fields) => fields.text('oid', /^\d+$/));
  for (const oid of tablespaces) {
    await makeFolder(target.place('tablespaces', oid));
    await symlink(target.final('tablespaces', oid), target.place('data', 'pg_tblspc', oid));
  }
  // The server makes its links anew from this file at the first start; a backslash there escapes the next character.
  const links = tablespaces.map((oid) => `${oid} ${target.final('tablespaces', oid).replace(/[\\\n\r]/g, '\\$&')}\n`);
  if (links.length > 0) await writeFile(target.place('data', 'tablespace_map'), links.join(''), { mode: 0o600 });
}

/** Mode and modification time in seconds, by path. */
function attributes(facts: Fields, name: string): Map<string, [number, number]> {
  return new Map(Object.entries(facts.raw(name) as Record<string, [number, number]>));
}

async function makeFolder(place: string | Buffer): Promise<void> {
  await mkdir(place, { recursive: true, mode: 0o700 });
}
