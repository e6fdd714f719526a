import { newId } from '@rahat/contracts';
import { newKeyedText, parseKeyedText } from '@rahat/secrets';

const KIND = 'rhb';

export interface NewApiKey {
  id: string;
  text: string;
  secretHash: Buffer;
}

export function newApiKey(): NewApiKey {
  const id = newId('apiKey');
  return { id, ...newKeyedText(KIND, id) };
}

/** Undefined when the text is no API key of ours. */
export function parseApiKey(text: string): { id: string; secretHash: Buffer } | undefined {
  const parsed = parseKeyedText(KIND, text);
  return parsed && { ...parsed, id: `key_${parsed.id}` };
}
