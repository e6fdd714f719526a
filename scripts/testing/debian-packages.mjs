import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { say, stop } from '../workspace/workspace.mjs';

/** package → a file that only it brings. */
const PACKAGES = {
  'postgresql-15': '/usr/lib/postgresql/15/bin/postgres',
  'postgresql-client-15': '/usr/lib/postgresql/15/bin/pg_dump',
  'redis-server': '/usr/bin/redis-server',
  'python3-venv': '/usr/lib/python3.11/ensurepip/__init__.py',
  // Its promtool looks at our metrics.
  prometheus: '/usr/bin/promtool',
  // Tunnels to databases go through a real SSH server.
  'openssh-server': '/usr/sbin/sshd',
  debootstrap: '/usr/sbin/debootstrap',
  'ca-certificates': '/etc/ssl/certs/ca-certificates.crt',
};

/** Installs the Debian packages that tests need; as root only. */
export function ensureDebianPackages() {
  const missing = Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name]));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid() !== 0) {
    say(`Tests that need ${missing.join(', ')} will be left out: run \`sudo ${command}\` first.`);
    return;
  }
  if (!existsSync('/usr/bin/apt-get')) stop(`The tests need ${missing.join(', ')}, and this is not a Debian: install them by hand.`);
  say(`Installing ${missing.join(', ')} …`);
  // Debian makes a cluster and starts servers on installing; the tests start their own.
  mkdirSync('/etc/postgresql-common/createcluster.d', { recursive: true });
  writeFileSync('/etc/postgresql-common/createcluster.d/rahat-tests.conf', 'create_main_cluster = false\n');
  const policy = '/usr/sbin/policy-rc.d';
  const makePolicy = !existsSync(policy);
  if (makePolicy) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    runApt(['update', '-qq']);
    runApt(['install', '-y', '-qq', '--no-install-recommends', ...missing]);
  } finally {
    if (makePolicy) rmSync(policy);
  }
}

function runApt(args) {
  const { status } = spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (status !== 0) stop(`\`apt-get ${args.join(' ')}\` failed: see its lines above.`);
}
