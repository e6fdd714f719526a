import { damaged, messageOf, ReaderError } from '../reader-error.js';
import { Fields } from './json-fields.js';

export const DESCRIPTOR_NAME = 'rahat.json';

export interface Descriptor {
  /** R of the document: 16 bytes. */
  repositoryId: Buffer;
  /** As it stands in the file, for the comparison with `config`. */
  text: string;
}

/** Features that this reader knows. Format 1 began with none. */
const KNOWN_FEATURES: readonly string[] = [];

export function parseDescriptor(bytes: Buffer): Descriptor {
  const text = bytes.toString('utf8');
  let fields: Fields;
  let repositoryId: Buffer;
  try {
    fields = Fields.parse(text);
    if (fields.text('format') !== 'rahat-repository') throw new Error('"format" is not rahat-repository');
    repositoryId = Buffer.from(fields.text('id', /^[0-9a-f]{32}$/), 'hex');
  } catch (cause) {
    throw damaged(DESCRIPTOR_NAME, `it can't be understood: ${messageOf(cause)}`, cause);
  }
  const unknown = fields.texts('requiredFeatures').filter((feature) => !KNOWN_FEATURES.includes(feature));
  const needed = fields.raw('version') === 1 ? unknown : [`format ${String(fields.raw('version'))}`];
  if (needed.length > 0)
    throw new ReaderError(
      'failed',
      `rahat.json: this reader doesn't know ${needed.join(', ')}, which this repository needs. Use a newer one.`,
    );
  return { repositoryId, text };
}
