import { Fields } from './json-fields.js';
import { parseRecipe, type Recipe } from './recipe.js';

export interface StoredObject {
  key: string;
  kind: string;
  order: number;
  class: string;
  sizeBytes: number;
  sha256: string;
  rows?: number;
  rowHash?: string;
  meta: Record<string, unknown>;
  recipe: Recipe;
}

export interface Manifest {
  snapshot: string;
  createdAt: string;
  method: string;
  serverName: string;
  databaseName: string | undefined;
  /** In the order in which they were written. */
  objects: StoredObject[];
  /** All that it says, without the objects. */
  facts: Record<string, unknown>;
}

/** Payload of `snapshots/<id>`, or of a log, whose id is its file's name. Throws where a field that restoring needs is missing. */
export function parseManifest(payload: Buffer, id: string, repositoryId: Buffer): Manifest {
  const value = JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
  const fields = Fields.of(value, '');
  if (fields.raw('format') !== 1) throw new Error(`its format ${String(fields.raw('format'))} is not known`);
  const isLog = id.includes('/');
  const own = isLog ? `logs/${fields.text('stream')}/${fields.text('first')}_${fields.text('last')}` : fields.text('snapshot');
  if (own !== id) throw new Error('it names another snapshot');
  if (fields.text('repository') !== repositoryId.toString('hex')) throw new Error('it names another repository');
  const { objects: _objects, ...facts } = value;
  return {
    snapshot: id,
    createdAt: fields.text('createdAt'),
    method: optionalText(fields, 'method') ?? (isLog ? 'log' : 'unknown'),
    serverName: fields.has('server') ? fields.object('server').text('name') : '',
    databaseName: fields.has('database') ? fields.object('database').text('name') : undefined,
    objects: fields.objects('objects').map(parseObject).sort(byOrder),
    facts,
  };
}

function parseObject(fields: Fields): StoredObject {
  return {
    key: fields.text('key'),
    kind: fields.text('kind'),
    order: fields.integer('order', 0),
    class: fields.text('class'),
    sizeBytes: fields.integer('sizeBytes', 0),
    sha256: fields.text('sha256', /^[0-9a-f]{64}$/),
    rows: fields.has('rows') ? fields.integer('rows', 0) : undefined,
    rowHash: optionalText(fields, 'rowHash'),
    meta: fields.has('meta') ? (fields.raw('meta') as Record<string, unknown>) : {},
    recipe: parseRecipe(fields.object('recipe')),
  };
}

function optionalText(fields: Fields, name: string): string | undefined {
  return fields.has(name) ? fields.text(name) : undefined;
}

function byOrder(left: StoredObject, right: StoredObject): number {
  return left.order - right.order;
}
