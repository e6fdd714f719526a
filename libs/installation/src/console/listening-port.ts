import { createServer } from 'node:net';
import { RahatError } from '@rahat/contracts';

const TRIES = 100;

/** The wanted port, or the next one above it that nobody listens on; 0 means any. */
export async function nextFreePort(wanted: number, host: string): Promise<number> {
  if (wanted === 0) return bindOnce(0, host);
  for (let port = wanted; port < wanted + TRIES && port <= 65_535; port++) {
    try {
      return await bindOnce(port, host);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' || code === 'EACCES') continue;
      throw new RahatError('configuration_invalid', `Rahat Backup cannot listen on ${host}: ${(error as Error).message}`, {
        hint: 'Set RAHAT_HOST to an address of this machine, usually 127.0.0.1.',
        cause: error,
      });
    }
  }
  throw new RahatError('configuration_invalid', `All ports from ${wanted} to ${wanted + TRIES - 1} are taken or forbidden`, {
    hint: 'Set RAHAT_PORT, RAHAT_METRICS_PORT or RAHAT_POSTGRESQL_PORT to a free port.',
  });
}

function bindOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ port, host, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

/** A wildcard address is where to listen, not where to go. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
