export { gatewayConfig as configSchema, type GatewayConfig } from './config.js';
export { GatewayModule } from './gateway.module.js';
