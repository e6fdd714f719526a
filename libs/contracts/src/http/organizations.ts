import { z } from 'zod';
import { idSchema } from '../ids.js';
import { PlainText } from '../plain-text.js';
import { Role } from '../principal.js';

const OrganizationName = PlainText.trim().min(1).max(100);

export const Organization = z
  .object({ id: z.string(), name: z.string(), members: z.number().int(), createdAt: z.iso.datetime() })
  .meta({ id: 'Organization' });
export type Organization = z.infer<typeof Organization>;

export const UpdateOrganization = z.object({ name: OrganizationName }).strict().meta({ id: 'UpdateOrganization' });
export type UpdateOrganization = z.infer<typeof UpdateOrganization>;

export const CreateOrganization = z.object({ name: OrganizationName }).strict().meta({ id: 'CreateOrganization' });
export type CreateOrganization = z.infer<typeof CreateOrganization>;

/** One that the caller belongs to. */
export const OwnOrganization = z
  .object({ id: z.string(), name: z.string(), role: Role, current: z.boolean() })
  .meta({ id: 'OwnOrganization' });
export type OwnOrganization = z.infer<typeof OwnOrganization>;

export const EnterOrganization = z
  .object({ organization: idSchema('organization') })
  .strict()
  .meta({ id: 'EnterOrganization' });
export type EnterOrganization = z.infer<typeof EnterOrganization>;
