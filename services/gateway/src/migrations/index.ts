import { CreateGateway1764280000000 } from './0001-create-gateway.js';

export const gatewayMigrations = [CreateGateway1764280000000];
