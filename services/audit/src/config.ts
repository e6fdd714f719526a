import { z } from 'zod';

/** The audit service needs nothing of its own from the environment. */
export const auditConfig = z.object({});
export type AuditConfig = z.infer<typeof auditConfig>;
