export { askManagedSnapshots } from './ask-managed-snapshots.js';
export { rdsToken, type TokenLogin } from './rds-token.js';
