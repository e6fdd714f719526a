export type { ServiceDatabase, Transaction } from './service-database.js';
export { enableRowSecurity, messagingTables } from './schema-sql.js';
export { schemaNamesOf, type SchemaNames } from './schema-names.js';
