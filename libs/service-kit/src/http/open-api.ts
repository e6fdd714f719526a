import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Problem } from '@rahat/contracts';
import { z } from 'zod';

export interface ApiTitle {
  title: string;
  version: string;
}

type JsonSchema = Record<string, unknown>;

/** The OpenAPI 3.1 document of a module's controllers, without starting anything: providers are not made. */
export async function describeApi(rootModule: Parameters<typeof NestFactory.create>[0], title: ApiTitle): Promise<OpenAPIObject> {
  const app = await NestFactory.create(rootModule, { preview: true, logger: ['error'], abortOnError: false });
  try {
    return createOpenApiDocument(app, title);
  } finally {
    await app.close();
  }
}

export function createOpenApiDocument(app: INestApplication, { title, version }: ApiTitle): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle(title)
    .setVersion(version)
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An access token or an API key' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, base, { standardSchemaConverter: (schema, { schemaType }) => (schema instanceof z.core.$ZodType ? convert(schema, schemaType) : undefined) });
  const schemas = { ...document.components?.schemas, Problem: jsonSchemaOf(Problem, 'output') } as NonNullable<OpenAPIObject['components']>['schemas'];
  return {
    ...document,
    paths: sorted(Object.fromEntries(Object.entries(document.paths).filter(([path]) => !path.startsWith('/internal/')).map(([path, item]) => [path, withProblems(item)]))),
    components: { ...document.components, schemas: sorted(schemas ?? {}) },
  };
}

/**
 * A schema with `.meta({ id })` becomes a named component. What is sent and what is received may differ (a default makes
 * a field optional only on the way in); then the way in is called `<id>Input`.
 */
function convert(schema: z.core.$ZodType, direction: 'input' | 'output'): { schema: JsonSchema; components: Record<string, JsonSchema> } {
  const { $defs: wanted = {}, ...inline } = jsonSchemaOf(schema, direction) as JsonSchema & { $defs?: Record<string, JsonSchema> };
  const id = typeof inline.id === 'string' ? inline.id : undefined;
  const components: Record<string, JsonSchema> = id ? { ...wanted, [id]: inline } : wanted;
  if (direction === 'input') {
    const { $defs: sent = {}, ...sentInline } = jsonSchemaOf(schema, 'output') as JsonSchema & { $defs?: Record<string, JsonSchema> };
    const other: Record<string, JsonSchema> = id ? { ...sent, [id]: sentInline } : sent;
    const differing = Object.keys(components).filter((name) => JSON.stringify(components[name]) !== JSON.stringify(other[name]));
    const renamed = withReferrers(differing, components);
    const rename = (value: JsonSchema) => renameReferences(value, renamed) as JsonSchema;
    const result = Object.fromEntries(Object.entries(components).map(([name, component]) => [renamed.has(name) ? `${name}Input` : name, rename(component)]));
    return { schema: id ? reference(renamed.has(id) ? `${id}Input` : id) : rename(inline), components: withoutIds(result) };
  }
  return { schema: id ? reference(id) : inline, components: withoutIds(components) };
}

function jsonSchemaOf(schema: z.core.$ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // zod's patterns for dates and addresses are hundreds of characters that `format` says already.
      if (jsonSchema.format) delete jsonSchema.pattern;
      // A reader of answers must bear new members; only `.strict()` bodies refuse them.
      const def = zodSchema._zod.def as { type: string; catchall?: unknown };
      if (def.type === 'object' && !def.catchall) delete jsonSchema.additionalProperties;
    },
  }) as JsonSchema;
  return json;
}

/** A component that refers to a renamed one differs, too. */
function withReferrers(names: string[], components: Record<string, JsonSchema>): Set<string> {
  const found = new Set(names);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [name, component] of Object.entries(components)) {
      if (found.has(name) || ![...found].some((other) => JSON.stringify(component).includes(`"#/$defs/${other}"`))) continue;
      found.add(name);
      grew = true;
    }
  }
  return found;
}

function renameReferences(value: unknown, names: Set<string>): unknown {
  if (Array.isArray(value)) return value.map((item) => renameReferences(item, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const target = key === '$ref' && typeof item === 'string' ? item.replace('#/$defs/', '') : undefined;
      return [key, target !== undefined && names.has(target) ? `#/$defs/${target}Input` : renameReferences(item, names)];
    }),
  );
}

/** zod repeats the component's name inside as `id`, which isn't a word of JSON Schema. */
function withoutIds(components: Record<string, JsonSchema>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(components).map(([name, { id: _id, ...schema }]) => [name, schema]));
}

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function withProblems<T extends object>(item: T): T {
  const problem = { description: 'A problem (RFC 9457)', content: { 'application/problem+json': { schema: reference('Problem') } } };
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => [method, typeof operation === 'object' && operation !== null && 'responses' in operation ? { ...operation, responses: { ...(operation.responses as object), default: problem } } : operation]),
  ) as T;
}

/** The document is kept in the repository; the order of imports must not change it. */
function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
