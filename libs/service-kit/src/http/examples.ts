type JsonSchema = Record<string, unknown>;
type Schemas = Record<string, unknown>;

const DEEPEST = 8;
const ID_PATTERN = /^\^([a-z-]+)_\[0-9a-f\]\{32\}\$$/;
/** One moment for all of them. */
const FORMATS: Record<string, string> = {
  'date-time': '2026-01-31T03:00:00.000Z',
  date: '2026-01-31',
  email: 'ada@example.org',
  uri: 'https://example.org/',
  uuid: '01920000-0000-7000-8000-000000000000',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
};
/** By the name of what holds them, so that an example reads like something. */
const TEXTS: Record<string, string> = {
  id: 'plan_01920000000070008000000000000000',
  name: 'Orders',
  title: 'Orders',
  description: 'All of the shop',
  note: 'Moved to another rack in May',
  host: 'db.example.org',
  user: 'backup',
  email: 'ada@example.org',
  password: 'correct horse battery staple',
  path: '/srv/backups',
  cron: '0 3 * * *',
  timeZone: 'Europe/Istanbul',
  server: 'server_01920000000070008000000000000000',
  plan: 'plan_01920000000070008000000000000000',
  run: 'run_01920000000070008000000000000000',
  backup: 'backup_01920000000070008000000000000000',
  repository: 'repository_01920000000070008000000000000000',
  storage: 'storage_01920000000070008000000000000000',
  organization: 'organization_01920000000070008000000000000000',
  q: 'orders',
};

/**
 * A small value that the schema accepts: its own example where it has one, else what must be there, and of an answer everything.
 * Undefined where no value can be told from the schema alone; no example is better than a wrong one.
 */
export function exampleOf(schema: JsonSchema, schemas: Schemas, direction: 'input' | 'output', name = 'text', depth = 0): unknown {
  const own = Array.isArray(schema.examples) ? (schema.examples as unknown[])[0] : schema.example;
  if (own !== undefined) return own;
  if (schema.default !== undefined) return schema.default;
  if (depth > DEEPEST) return undefined;
  const of = (part: unknown, called = name) => exampleOf(part as JsonSchema, schemas, direction, called, depth + 1);
  if (typeof schema.$ref === 'string') return of(schemas[schema.$ref.split('/').at(-1)!]);
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return (schema.enum as unknown[])[0];
  const choices = (schema.anyOf ?? schema.oneOf) as unknown[] | undefined;
  if (choices) return firstOf(choices.map((choice) => of(choice)));
  if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map((part) => of(part))) as unknown;
  switch ([schema.type].flat()[0]) {
    case 'string':
      return textOf(schema, name);
    case 'integer':
    case 'number':
      return numberOf(schema);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return listOf(of(schema.items ?? {}, singular(name)), schema);
    case 'object':
      return objectOf(schema, direction, of);
    default:
      return {};
  }
}

function firstOf(values: unknown[]): unknown {
  return values.find((value) => value !== undefined && value !== null) ?? values.find((value) => value !== undefined);
}

function textOf({ format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema, name: string): string | undefined {
  const known = typeof format === 'string' ? FORMATS[format] : undefined;
  if (known !== undefined) return known;
  const prefix = typeof pattern === 'string' ? ID_PATTERN.exec(pattern)?.[1] : undefined;
  if (prefix !== undefined) return `${prefix}_01920000000070008000000000000000`;
  const text = (TEXTS[name] ?? 'text').padEnd(minLength as number, '.').slice(0, maxLength as number);
  return typeof pattern !== 'string' || new RegExp(pattern, 'u').test(text) ? text : undefined;
}

function numberOf({ minimum, exclusiveMinimum, maximum = Infinity, multipleOf = 1 }: JsonSchema): number {
  const least = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : Number(minimum ?? 1);
  const step = multipleOf as number;
  return Math.min(Math.ceil(Math.max(least, 1) / step) * step, maximum as number);
}

function listOf(item: unknown, { minItems = 0 }: JsonSchema): unknown[] | undefined {
  if (item === undefined) return minItems === 0 ? [] : undefined;
  return Array<unknown>(Math.max(1, minItems as number)).fill(item);
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  direction: 'input' | 'output',
  of: (part: unknown, called?: string) => unknown,
): unknown {
  const needed = new Set(required as string[]);
  const members: [string, unknown][] = [];
  for (const [name, part] of Object.entries(properties as Record<string, unknown>)) {
    if (direction === 'input' && !needed.has(name)) continue;
    const value = of(part, name);
    if (value !== undefined) members.push([name, value]);
    else if (needed.has(name)) return undefined;
  }
  if (members.length === 0 && direction === 'output' && typeof additionalProperties === 'object') {
    const value = of(additionalProperties);
    if (value !== undefined) members.push(['name', value]);
  }
  return Object.fromEntries(members);
}

function singular(name: string): string {
  return name.replace(/ies$/, 'y').replace(/s$/, '');
}
