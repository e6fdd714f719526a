import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RahatError } from '@rahat/contracts';
import { answerAndHangUp, networkOf } from '@rahat/service-kit';
import type { GatewayConfig } from '../config.js';

/** So many connections, in all and of one client; what is slow to say what it wants is cut off (service-kit answers it). */
export function limitConnections(server: Server, config: GatewayConfig, refused: () => void): void {
  server.maxConnections = config.RAHAT_GATEWAY_CONNECTIONS;
  server.keepAliveTimeout = config.RAHAT_GATEWAY_KEEP_ALIVE_SECONDS * 1000;
  server.headersTimeout = config.RAHAT_GATEWAY_HEADERS_TIMEOUT_SECONDS * 1000;
  server.requestTimeout = Math.max(config.RAHAT_GATEWAY_REQUEST_TIMEOUT_SECONDS, config.RAHAT_GATEWAY_HEADERS_TIMEOUT_SECONDS) * 1000;
  // Behind proxies all connections are theirs.
  if (config.RAHAT_TRUSTED_PROXIES > 0) return;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? 'unknown');
    const count = (open.get(network) ?? 0) + 1;
    open.set(network, count);
    socket.once('close', () => {
      const left = open.get(network)! - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
    if (count <= config.RAHAT_GATEWAY_CONNECTIONS_PER_ADDRESS) return;
    refused();
    answerAndHangUp(socket, tooMany(config.RAHAT_GATEWAY_CONNECTIONS_PER_ADDRESS));
  });
}

function tooMany(most: number): RahatError {
  return new RahatError('rate_limited', `This address has ${most} connections open already.`, {
    hint: 'Close some; with a reverse proxy in front set RAHAT_TRUSTED_PROXIES.',
  });
}
