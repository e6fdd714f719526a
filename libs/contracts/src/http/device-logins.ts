import { z } from 'zod';
import { PlainText } from '../plain-text.js';

/** RFC 8628 in this API's spelling. */
export const BeginDeviceLogin = z
  .object({
    /** What asks, as the person who approves shall read it: e.g. `CLI on build-7`. */
    client: PlainText.min(1).max(100),
  })
  .strict()
  .meta({ id: 'BeginDeviceLogin' });
export type BeginDeviceLogin = z.infer<typeof BeginDeviceLogin>;

export const DeviceLogin = z
  .object({
    deviceCode: z.string(),
    userCode: z.string(),
    /** Where a person approves it; relative to the API's own address where the product does not know its public one. */
    verificationUri: z.string(),
    verificationUriComplete: z.string(),
    expiresInSeconds: z.number().int(),
    intervalSeconds: z.number().int(),
  })
  .meta({ id: 'DeviceLogin' });
export type DeviceLogin = z.infer<typeof DeviceLogin>;

export const TakeDeviceTokens = z
  .object({ deviceCode: z.string().min(1).max(200) })
  .strict()
  .meta({ id: 'TakeDeviceTokens' });
export type TakeDeviceTokens = z.infer<typeof TakeDeviceTokens>;

export const UserCode = z
  .object({ userCode: z.string().min(1).max(20) })
  .strict()
  .meta({ id: 'UserCode' });
export type UserCode = z.infer<typeof UserCode>;

/** Who asks to be let in, for the person who decides. */
export const DeviceLoginRequest = z
  .object({ userCode: z.string(), client: z.string(), address: z.string(), askedAt: z.iso.datetime(), expiresAt: z.iso.datetime() })
  .meta({ id: 'DeviceLoginRequest' });
export type DeviceLoginRequest = z.infer<typeof DeviceLoginRequest>;
