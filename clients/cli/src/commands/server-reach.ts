import { readFile } from 'node:fs/promises';
import type { CreateServer } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { visible } from '../terminal/format.js';

/** How a server is reached beyond what its URL says. Keys are named by their files: an argument list is readable by every user of the machine. */
export interface ReachOptions {
  tlsCa?: string;
  tlsCertificate?: string;
  tlsKey?: string;
  ssh?: string;
  sshHostKey?: string;
  sshKey?: string;
}

type Reach = Pick<CreateServer, 'tlsCa' | 'tlsCertificate' | 'ssh' | 'keys'>;

export async function readReach(options: ReachOptions): Promise<Reach> {
  const [tlsCa, tlsCertificate, tlsKey, sshKey] = await Promise.all(
    [options.tlsCa, options.tlsCertificate, options.tlsKey, options.sshKey].map(content),
  );
  const keys = tlsKey === undefined && sshKey === undefined ? undefined : { tlsKey, sshKey };
  return { tlsCa, tlsCertificate, ssh: sshOf(options), keys };
}

function sshOf({ ssh, sshHostKey }: ReachOptions): Reach['ssh'] {
  if (ssh === undefined) return undefined;
  const [, user, host, port] = /^([^@\s]+)@(\[[^\]\s]+\]|[^:@\s]+)(?::(\d{1,5}))?$/.exec(ssh) ?? [];
  if (user === undefined || host === undefined)
    throw new RahatError('invalid_input', `"${visible(ssh)}" is no SSH host.`, { hint: 'Write user@host or user@host:port.' });
  if (sshHostKey === undefined)
    throw new RahatError('invalid_input', 'The key of the SSH host is needed: without it anybody between could be that host.', {
      hint: `Compare with who runs it, then give --ssh-host-key SHA256:… (ssh-keyscan -t ed25519 ${host} | ssh-keygen -lf - shows what it shows).`,
    });
  return { user, host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? 22 : Number(port), hostKey: sshHostKey };
}

async function content(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new RahatError('invalid_input', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  });
}
