export { rdsToken, type TokenLogin } from './rds-token.js';
