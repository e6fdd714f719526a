import fc, { type Arbitrary } from 'fast-check';
import { z } from 'zod';
import type { JsonSchema } from './api-document.js';

const DEEPEST = 5;
const FORMATS: Record<string, () => Arbitrary<string>> = {
  'date-time': () => fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
  email: () => fc.emailAddress(),
  uri: () => fc.webUrl(),
  uuid: () => fc.uuid(),
};

/** Values that a schema of the document accepts. */
export function valuesOf(schema: JsonSchema, schemas: Record<string, JsonSchema>, depth = 0): Arbitrary<unknown> {
  const of = (part: unknown) => valuesOf(part as JsonSchema, schemas, depth + 1);
  if (typeof schema.$ref === 'string') return valuesOf(schemas[schema.$ref.split('/').at(-1)!]!, schemas, depth);
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
  const choices = (schema.anyOf ?? schema.oneOf) as unknown[] | undefined;
  if (choices) return fc.oneof(...choices.map(of));
  if (Array.isArray(schema.allOf)) return fc.tuple(...schema.allOf.map(of)).map((parts) => Object.assign({}, ...parts));
  const type = schema.type as string | string[] | undefined;
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => of({ ...schema, type: one })));
  switch (type) {
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.integer(rangeOf(schema));
    case 'number':
      return fc.oneof(fc.integer(wholeWithin(rangeOf(schema))), fc.double({ ...rangeOf(schema), noNaN: true }));
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(of(schema.items ?? {}), {
        minLength: (schema.minItems as number) ?? 0,
        maxLength: Math.max((schema.minItems as number) ?? 0, Math.min((schema.maxItems as number) ?? 3, depth > DEEPEST ? 0 : 3)),
      });
    case 'object':
      return objectOf(schema, of, depth);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function textOf({ format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema): Arbitrary<string> {
  const known = typeof format === 'string' ? FORMATS[format] : undefined;
  if (known) return known();
  if (typeof pattern === 'string') return matching(new RegExp(pattern, 'u')).filter((text) => text.length <= (maxLength as number));
  const bounds = { minLength: minLength as number, maxLength: Math.min(maxLength as number, (minLength as number) + 40) };
  return fc.oneof(fc.string(bounds), fc.string({ ...bounds, unit: 'binary' }));
}

/** Words, where the pattern is of a kind that values can't be made from. */
function matching(pattern: RegExp): Arbitrary<string> {
  try {
    return fc.stringMatching(pattern);
  } catch {
    return fc.constantFrom(
      ...['orders', 'env=prod', '/srv/backups', '0 3 * * *', ''].filter(
        (text, index, all) => pattern.test(text) || index === all.length - 1,
      ),
    );
  }
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): { min: number; max: number } {
  const bounded = (value: unknown, other: number) => (typeof value === 'number' && Math.abs(value) < 2 ** 31 ? value : other);
  const least = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : minimum;
  const most = typeof exclusiveMaximum === 'number' ? exclusiveMaximum - 1 : maximum;
  return { min: bounded(least, -(2 ** 31)), max: bounded(most, 2 ** 31 - 1) };
}

function wholeWithin({ min, max }: { min: number; max: number }): { min: number; max: number } {
  return { min: Math.ceil(min), max: Math.floor(max) };
}

function objectOf(schema: JsonSchema, of: (part: unknown) => Arbitrary<unknown>, depth: number): Arbitrary<unknown> {
  const required = (schema.required ?? []) as string[];
  const known = Object.entries((schema.properties ?? {}) as Record<string, unknown>).filter(
    ([name]) => depth <= DEEPEST || required.includes(name),
  );
  const own = fc.record(Object.fromEntries(known.map(([name, part]) => [name, of(part)])), {
    requiredKeys: required.filter((name) => known.some(([one]) => one === name)),
  });
  if (typeof schema.additionalProperties !== 'object' || depth > DEEPEST) return own;
  return fc
    .tuple(own, fc.dictionary(fc.string({ maxLength: 10 }), of(schema.additionalProperties), { maxKeys: 2 }))
    .map(([one, more]) => ({ ...more, ...one }));
}

/** Why a schema of the document does not accept a value; undefined when it does. */
export function refusalOf(schema: JsonSchema, schemas: Record<string, JsonSchema>, value: unknown): string | undefined {
  const local = <T>(part: T) => JSON.parse(JSON.stringify(part).replaceAll('#/components/schemas/', '#/$defs/')) as T;
  const result = z.fromJSONSchema({ ...local(schema), $defs: local(schemas) } as never).safeParse(value);
  return result.success ? undefined : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}

// The first text takes seconds to be thought of. Better here than between two requests, whose connection would be closed by then.
textOf({});

const NASTY: unknown[] = [
  null,
  '',
  '\0',
  0,
  -1,
  1e308,
  2 ** 53,
  true,
  [],
  {},
  [[]],
  '../../etc/passwd',
  "' OR 1=1 --",
  '\u202e',
  '😀'.repeat(300),
  { __proto__: null, constructor: 1 },
];

/** The same with one part in it as nobody expects it. */
export function spoiled(values: Arbitrary<unknown>): Arbitrary<unknown> {
  const nasty = fc.oneof(fc.constantFrom(...NASTY), fc.jsonValue({ maxDepth: 1 }));
  return fc.tuple(values, nasty, fc.nat()).map(([value, part, where]) => withSpoiled(value, part, where));
}

function withSpoiled(value: unknown, part: unknown, where: number): unknown {
  if (typeof value !== 'object' || value === null || where % 4 === 0) return part;
  const names = Object.keys(value);
  if (names.length === 0) return { unknown: part };
  const chosen = names[where % names.length]!;
  const changed = withSpoiled((value as Record<string, unknown>)[chosen], part, Math.floor(where / 4));
  if (Array.isArray(value)) return value.map((item: unknown, index) => (String(index) === chosen ? changed : item));
  return { ...value, [chosen]: changed };
}
