import { RahatError, type HookInput } from '@rahat/contracts';
import type { OutgoingClient } from '@rahat/service-kit';
import type { HookFacts } from './hooks.js';

/** Success is an answer of 200 to 299; nothing of the answer is kept but its status. */
export async function callHook(
  client: OutgoingClient,
  hook: Extract<HookInput, { kind: 'http' }>,
  facts: HookFacts,
  signal: AbortSignal,
): Promise<string[]> {
  const { status } = await client.send({
    url: hook.url,
    method: hook.method,
    headers: { 'content-type': 'application/json', ...(hook.authorization === undefined ? {} : { authorization: hook.authorization }) },
    body: hook.method === 'GET' ? undefined : JSON.stringify(facts),
    timeoutMs: hook.timeoutSeconds * 1000,
    signal,
  });
  if (status >= 200 && status <= 299) return [`answered with ${status}`];
  throw new RahatError('hook_failed', `it answered with ${status}`, { retryable: status >= 500 || status === 429 });
}
