import { CreateAudit1763900000000 } from './0001-create-audit.js';
import { KeepSentMessages1764240000000 } from './0002-keep-sent-messages.js';
import { SignSearchAndDrop1764430000000 } from './0003-sign-search-and-drop.js';

export const auditMigrations = [CreateAudit1763900000000, KeepSentMessages1764240000000, SignSearchAndDrop1764430000000];
