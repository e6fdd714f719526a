export { handToKeeper } from './append-only.js';
export { DatabaseAway } from './database-errors.js';
export { limitToServerGroups, REACHED_GROUPS, REACHED_SERVERS, type TableLimit } from './server-group-limits.js';
export {
  wholeOrganization,
  type Questions,
  type ServiceDatabase,
  type Tenant,
  type TenantDatabase,
  type Transaction,
} from './service-database.js';
export { openServiceDatabase, type Migration, type ServiceDatabaseOptions } from './open-service-database.js';
export { provisionDatabase, type ProvisionedDatabase, type ProvisionOptions } from './provision-database.js';
export { SteadyClient } from './steady-client.js';
export { enableRowSecurity, keepSentMessages, letSystemRoleSearch, messagingTables } from './schema-sql.js';
