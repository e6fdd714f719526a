import net from 'node:net';
import tls from 'node:tls';
import type { PostgresqlConnection } from '@rahat/contracts';

/**
 * libpq's modes (PostgreSQL manual, "SSL Support"): `require` proves nothing of the server, unless an authority is given; `verify-ca`
 * proves who signed it, `verify-full` its name, too.
 */
export function tlsOptions(connection: PostgresqlConnection): tls.ConnectionOptions {
  const { host, tls: mode, tlsCa, tlsCertificate, tlsKey } = connection;
  return {
    // Addresses are not allowed in SNI (RFC 6066).
    ...(net.isIP(host) ? {} : { servername: host }),
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && tlsCa !== undefined),
    // Behind a tunnel the socket's own address is not the server's.
    checkServerIdentity: (_dialled, certificate) => (mode === 'verify-full' ? tls.checkServerIdentity(host, certificate) : undefined),
    ...(tlsCa === undefined ? {} : { ca: tlsCa }),
    ...(tlsCertificate === undefined ? {} : { cert: tlsCertificate }),
    ...(tlsKey === undefined ? {} : { key: tlsKey }),
    minVersion: 'TLSv1.2',
  };
}
