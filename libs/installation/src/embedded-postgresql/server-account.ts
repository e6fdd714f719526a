import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { RahatError } from '@rahat/contracts';

/** The operating system account of the embedded PostgreSQL. */
export interface ServerAccount {
  name: string;
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root. Then it runs as the owner of the data that exists already, else as `postgres`,
 * else as `nobody`. Undefined = as ourselves.
 */
export function serverAccount(cluster: string): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length > 3 && fields[2] !== '0')
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }));
  const owner = statSync(cluster, { throwIfNoEntry: false })?.uid;
  const found =
    accounts.find(({ uid }) => uid === owner) ??
    accounts.find(({ name }) => name === 'postgres') ??
    accounts.find(({ name }) => name === 'nobody');
  if (found) return found;
  throw new RahatError('configuration_invalid', 'PostgreSQL cannot run as root, and this machine has neither a user postgres nor nobody', {
    hint: 'Start Rahat Backup as an ordinary user, or run: useradd --system postgres',
  });
}

/** Refuses, with the folder that is in the way, when the account can't get to `target`. */
export function demandPassage(account: ServerAccount | undefined, target: string, what: 'data' | 'programs'): void {
  if (!account) return;
  const closed = firstClosedFolder(account, target);
  if (!closed) return;
  const fix =
    what === 'data'
      ? 'set RAHAT_DATA_DIR to a folder outside of it (for example /var/lib/rahat-backup)'
      : 'move this folder to a place open to all users (for example /opt/rahat-backup)';
  throw new RahatError(
    'configuration_invalid',
    `PostgreSQL cannot run as root, and the user ${account.name} that it runs as cannot get into ${closed}`,
    {
      hint: `Start Rahat Backup as an ordinary user, or ${fix}.`,
    },
  );
}

function firstClosedFolder(account: ServerAccount, target: string): string | undefined {
  const above = path.dirname(target);
  const closed = above === target ? undefined : firstClosedFolder(account, above);
  if (closed) return closed;
  const info = statSync(target, { throwIfNoEntry: false });
  if (!info?.isDirectory()) return undefined;
  const passBit = info.uid === account.uid ? 0o100 : info.gid === account.gid ? 0o010 : 0o001;
  return info.mode & passBit ? undefined : target;
}
