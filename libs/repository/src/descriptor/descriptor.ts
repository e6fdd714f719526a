import { RahatError } from '@rahat/contracts';
import { z } from 'zod';

/** `rahat.json`: plain, so that everyone sees what lies there and how to restore it without the product. */
const Descriptor = z.object({
  format: z.literal('rahat-repository'),
  version: z.number().int(),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  createdAt: z.iso.datetime(),
  requiredFeatures: z.array(z.string()),
  optionalFeatures: z.array(z.string()),
  howToRestore: z.string(),
});
export type Descriptor = z.infer<typeof Descriptor>;

const VERSION = 1;
/** Format 1 has none; a later version that old readers can't read names itself here. */
const KNOWN_REQUIRED_FEATURES: ReadonlySet<string> = new Set();

/** Features that a collection of this version understands; with another one it might delete what that one needs. */
const KNOWN_OPTIONAL_FEATURES: ReadonlySet<string> = new Set();

export function assertCollectable({ optionalFeatures }: Descriptor): void {
  const unknown = optionalFeatures.filter((feature) => !KNOWN_OPTIONAL_FEATURES.has(feature));
  if (unknown.length === 0) return;
  throw new RahatError(
    'repository_unsupported',
    `The repository has features that this version does not know (${unknown.join(', ')}), so it must not delete anything in it.`,
  );
}

export function newDescriptor(id: Buffer, createdAt: Date): Descriptor {
  return {
    format: 'rahat-repository',
    version: VERSION,
    id: id.toString('hex'),
    createdAt: createdAt.toISOString(),
    requiredFeatures: [],
    optionalFeatures: [],
    howToRestore:
      'This folder is a repository of Rahat Backup (deduplicated, compressed, encrypted). To see and restore what it holds you need the passphrase ' +
      'and either the file rahat-reader.mjs of the product with Node.js: "node rahat-reader.mjs list <this folder>", then "node rahat-reader.mjs restore"; ' +
      'or the product: "rahat-backup repository snapshots --path <this folder>", then "rahat-backup repository restore". ' +
      'The format is documented in docs/REPOSITORY_FORMAT.md of the product, well enough to write another reader.',
  };
}

export function formatDescriptor(descriptor: Descriptor): string {
  return `${JSON.stringify(descriptor, null, 2)}\n`;
}

export function parseDescriptor(text: string): Descriptor {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RahatError('repository_damaged', 'File rahat.json is not JSON.', { cause: error });
  }
  const parsed = Descriptor.safeParse(json);
  if (!parsed.success)
    throw new RahatError('repository_damaged', 'File rahat.json is not the descriptor of a repository.', { cause: parsed.error });
  const { version, requiredFeatures } = parsed.data;
  if (version !== VERSION)
    throw new RahatError('repository_unsupported', `The repository has format version ${version}; this version reads ${VERSION}.`);
  const unknown = requiredFeatures.filter((feature) => !KNOWN_REQUIRED_FEATURES.has(feature));
  if (unknown.length > 0)
    throw new RahatError('repository_unsupported', `The repository needs features that this version does not know: ${unknown.join(', ')}.`);
  return parsed.data;
}
