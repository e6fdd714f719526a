import { CreateAuth1763900000000 } from './0001-create-auth.js';

export const authMigrations = [CreateAuth1763900000000];
