import { z } from 'zod';

export const auditConfig = z.object({
  /** The end of a trail is signed when it has stood for so long; besides every hundred entries. */
  RAHAT_AUDIT_HEAD_MINUTES: z.coerce.number().min(0.01).max(1_440).default(60),
});
export type AuditConfig = z.infer<typeof auditConfig>;
