export { postgresqlConnector } from './connector.js';
export { findTools, type PostgresqlTools } from './tools.js';
export { makeThrowawayFolder, removeThrowawayLeftovers, startThrowawayServer, type ThrowawayServer } from './throwaway/index.js';
