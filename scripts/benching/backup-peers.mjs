import { existsSync } from 'node:fs';
import path from 'node:path';
import { CACHE, installDebianSid, writeLoaderScripts } from '../testing/debian-sid.mjs';
import { say } from '../workspace/workspace.mjs';

/** The newest restic, borg and pgBackRest, which suites measure against. Without them they say that they are missing. */
export function ensureBackupPeers() {
  const folder = path.join(CACHE, 'bench-peers');
  const bin = path.join(folder, 'programs');
  if (existsSync(path.join(bin, 'pgbackrest'))) return;
  if (process.getuid() !== 0 || !existsSync('/usr/sbin/debootstrap')) {
    say(
      'The newest restic, borg and pgBackRest are fetched by root with debootstrap installed; without them, those on the PATH take part.',
    );
    return;
  }
  const system = path.join(folder, 'sid');
  if (!existsSync(path.join(system, 'usr/bin/pgbackrest'))) {
    say('Fetching restic, borg and pgBackRest from Debian (about a minute) …');
    installDebianSid(system, ['restic', 'borgbackup', 'pgbackrest']);
  }
  const usr = path.join(system, 'usr');
  const python = `PYTHONHOME=${usr} PYTHONPATH=${usr}/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1\nexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE\n`;
  const programs = { restic: `${usr}/bin/restic`, borg: `${usr}/bin/python3 ${usr}/bin/borg`, pgbackrest: `${usr}/bin/pgbackrest` };
  writeLoaderScripts(system, bin, programs, python);
}
