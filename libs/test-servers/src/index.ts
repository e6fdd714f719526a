export { NumberedWriters } from './numbered-writers.js';
export { startPostgresql, type PostgresqlServer, type PostgresqlOptions, type StopMode } from './postgresql-server.js';
export { hasPostgresql, type PostgresqlMajor } from './postgresql-binaries.js';
export { unprivilegedUser, type UnprivilegedUser } from './unprivileged-process.js';
export { clientsOrStandIns, findPgClients, hasPgClients, type PgClients } from './postgresql-clients.js';
export { hasRedis, startRedis, type RedisServer } from './redis-server.js';
export { hasS3, startS3, type S3Make, type S3Server } from './s3-server.js';
export { hasSshd, startSsh, type SshServer } from './ssh-server.js';
export { freePort } from './free-port.js';
