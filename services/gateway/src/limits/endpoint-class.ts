/** What a request costs, told by its path alone; each class has a limit of its own. */
export type EndpointClass =
  /** Log-in and the like: counted by address. */
  | 'entrance'
  | 'read'
  | 'write'
  /** Starts long work, looks through everything, or knocks at servers elsewhere. */
  | 'heavy';

const HEAVY_RESOURCES = new Set(['comparisons', 'restores', 'restore-plans', 'search', 'documents', 'exports', 'reports']);
const HEAVY_ACTS = new Set([
  'verify',
  'rebuild',
  'export',
  'compare',
  'download',
  'objects',
  'ddl',
  'rows',
  'discover',
  'test',
  'preflight',
  'backup-user',
  'bring-back',
  'safety-copy',
]);
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

export function classOf(method: string, url: string): Exclude<EndpointClass, 'entrance'> {
  const segments = url.split('?', 1)[0]!.toLowerCase().split('/').filter(Boolean);
  const [, , resource] = segments;
  if (HEAVY_ACTS.has(segments.at(-1) ?? '')) return 'heavy';
  const reads = READING.has(method.toUpperCase());
  // One restore or its plan is looked at like anything else.
  if (HEAVY_RESOURCES.has(resource ?? '') && (!reads || segments.length === 3)) return 'heavy';
  return reads ? 'read' : 'write';
}
