export { gatewayConfig as configSchema, type GatewayConfig } from './config.js';
export { GatewayModule } from './gateway.module.js';
export { gatewayMigrations as migrations } from './migrations/index.js';
export { sharedInDatabase, sharedInRedis, type SharedState } from './shared/shared-state.js';
