import { hostname } from 'node:os';
import { apiKeysCreate, type Client, type CreatedApiKey } from '@rahat/api-client';
import { answer } from './api.js';

/** How this machine calls itself; a name has a hundred signs at most. */
export const MACHINE_NAME = `CLI on ${hostname()}`.slice(0, 100);

/** The key that this machine acts with, of whoever `client` acts as: it may do all that they may. */
export function makeMachineKey(client: Client): Promise<CreatedApiKey> {
  return answer(apiKeysCreate({ client, body: { name: MACHINE_NAME, scopes: ['*'] } }));
}
