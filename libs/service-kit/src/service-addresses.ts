import { RahatError } from '@rahat/contracts';
import { z } from 'zod';

/** One base URL of a service, or several of its replicas, separated by commas. */
export const ServiceAddresses = z
  .string()
  .refine(
    (text) => text.split(',').every((url) => z.url({ protocol: /^https?$/ }).safeParse(url.trim()).success),
    'is no list of http(s) URLs',
  )
  .meta({ examples: ['http://127.0.0.1:8431'] });

const turns = new WeakMap<object, number>();

/** Base URLs of a service out of `RAHAT_<SERVICE>_URL`, another replica first at each call. */
export function addressesOf(config: object, service: string): string[] {
  const name = `RAHAT_${service.replaceAll('-', '_').toUpperCase()}_URL`;
  const text = (config as Record<string, unknown>)[name];
  if (typeof text !== 'string')
    throw new RahatError('configuration_invalid', `${name} is not set`, { hint: `Set ${name} to the base URL of the service ${service}.` });
  const urls = text.split(',').map((url) => url.trim());
  const turn = turns.get(config) ?? 0;
  turns.set(config, turn + 1);
  const first = turn % urls.length;
  return [...urls.slice(first), ...urls.slice(0, first)];
}

/** Nobody listened: nothing was sent, so another replica, or the same one later, may be asked without harm. */
export function wasRefused(error: unknown): boolean {
  const { code, cause, errors } = (error ?? {}) as { code?: unknown; cause?: unknown; errors?: unknown[] };
  // A name with several addresses was tried at each of them.
  return code === 'ECONNREFUSED' || (errors?.length ? errors.every(wasRefused) : cause !== undefined && wasRefused(cause));
}
