export { AuthModule } from './auth.module.js';
export { authConfig as configSchema, type AuthConfig } from './config.js';
export { authMigrations as migrations } from './migrations/index.js';
export { FirstStart } from './organizations/first-start.js';
export { PasswordResets } from './passwords/password-resets.js';
