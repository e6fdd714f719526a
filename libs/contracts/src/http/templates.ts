import { z } from 'zod';
import { PlainText } from '../plain-text.js';
import { Hooks, PlanOutline, ServerSelection } from './plans.js';

const shape = { name: PlainText.trim().min(1).max(100), description: PlainText.max(500), content: PlanOutline };

/** A plan's outline to start from. Import and export are these bodies. */
export const CreateTemplate = z
  .object({ ...shape, description: shape.description.default('') })
  .strict()
  .meta({ id: 'CreateTemplate' });
export type CreateTemplate = z.infer<typeof CreateTemplate>;

export const UpdateTemplate = z.object(shape).partial().strict().meta({ id: 'UpdateTemplate' });
export type UpdateTemplate = z.infer<typeof UpdateTemplate>;

export const Template = z
  .object({
    ...shape,
    id: z.string(),
    /** Came with the product; it can be used and copied, not changed. */
    builtIn: z.boolean(),
  })
  .meta({ id: 'Template' });
export type Template = z.infer<typeof Template>;

/** `POST /api/v2/templates/{id}/plans`: what is said here goes before what the template says. */
export const CreatePlanFromTemplate = PlanOutline.extend({
  name: shape.name,
  server: z.string().optional(),
  servers: ServerSelection.optional(),
  repository: z.string(),
  cron: z.string().max(200).optional(),
  timeZone: z.string().optional(),
  hooks: Hooks.optional(),
})
  .strict()
  .meta({ id: 'CreatePlanFromTemplate' });
export type CreatePlanFromTemplate = z.infer<typeof CreatePlanFromTemplate>;
