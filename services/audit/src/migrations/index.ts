import { CreateAudit1763900000000 } from './0001-create-audit.js';

export const auditMigrations = [CreateAudit1763900000000];
