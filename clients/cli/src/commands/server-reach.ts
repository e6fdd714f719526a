import { readFile } from 'node:fs/promises';
import type { CreateServer } from '@rahat/api-client';
import { RahatError } from '@rahat/contracts';
import { askAccessKeySecret } from '../terminal/ask-secret.js';
import { visible } from '../terminal/format.js';

/** How a server is reached beyond what its URL says. Keys are named by their files: an argument list is readable by every user of the machine. */
export interface ReachOptions {
  tlsCa?: string;
  tlsCertificate?: string;
  tlsKey?: string;
  ssh?: string;
  sshHostKey?: string;
  sshKey?: string;
  awsIam?: boolean;
  awsRegion?: string;
  awsAccessKey?: string;
}

type Reach = Pick<CreateServer, 'tlsCa' | 'tlsCertificate' | 'ssh' | 'authentication' | 'keys'>;

export async function readReach(options: ReachOptions): Promise<Reach> {
  const [tlsCa, tlsCertificate, tlsKey, sshKey] = await Promise.all(
    [options.tlsCa, options.tlsCertificate, options.tlsKey, options.sshKey].map(content),
  );
  const authentication = authenticationOf(options);
  const awsSecretAccessKey = await secretOf(options);
  const given = { tlsKey, sshKey, awsSecretAccessKey };
  const keys = Object.values(given).every((key) => key === undefined) ? undefined : given;
  return { tlsCa, tlsCertificate, ssh: sshOf(options), authentication, keys };
}

function authenticationOf({ awsIam, awsRegion, awsAccessKey }: ReachOptions): Reach['authentication'] {
  if (!awsIam) {
    if (awsRegion === undefined && awsAccessKey === undefined) return undefined;
    throw new RahatError('invalid_input', '--aws-region and --aws-access-key say how tokens of Amazon are made.', {
      hint: 'Give --aws-iam, too.',
    });
  }
  const credentials =
    awsAccessKey === undefined ? ({ source: 'environment' } as const) : { source: 'access-key' as const, accessKeyId: awsAccessKey };
  return { kind: 'aws-iam', region: awsRegion, credentials };
}

async function secretOf({ awsIam, awsAccessKey }: ReachOptions): Promise<string | undefined> {
  if (!awsIam || awsAccessKey === undefined) return undefined;
  return askAccessKeySecret(awsAccessKey);
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
