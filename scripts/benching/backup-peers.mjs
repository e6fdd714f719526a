import { existsSync } from 'node:fs';
import path from 'node:path';
import { CACHE, installDebianSid, writeLoaderScripts } from '../testing/debian-sid.mjs';
import { say } from '../workspace/workspace.mjs';

/** The newest restic and borg, which the repository suite measures against. Without them it says that they are missing. */
export function ensureBackupPeers() {
  const folder = path.join(CACHE, 'bench-peers');
  const bin = path.join(folder, 'programs');
  if (existsSync(path.join(bin, 'restic'))) return;
  if (process.getuid() !== 0 || !existsSync('/usr/sbin/debootstrap')) {
    say('The newest restic and borg are fetched by root with debootstrap installed; without them, those on the PATH take part.');
    return;
  }
  const system = path.join(folder, 'sid');
  if (!existsSync(path.join(system, 'usr/bin/restic'))) {
    say('Fetching restic and borg from Debian (about a minute) …');
    installDebianSid(system, ['restic', 'borgbackup']);
  }
  const usr = path.join(system, 'usr');
  const python = `PYTHONHOME=${usr} PYTHONPATH=${usr}/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1\nexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE\n`;
  writeLoaderScripts(system, bin, { restic: `${usr}/bin/restic`, borg: `${usr}/bin/python3 ${usr}/bin/borg` }, python);
}
