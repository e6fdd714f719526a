import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Problem } from '@rahat/contracts';
import { z } from 'zod';
import { exampleOf } from './examples.js';
import { ACCESS_EXTENSION } from '../principal/authorization.js';
import { idlePlatformModule } from '../platform-module.js';

export interface ApiTitle {
  title: string;
  version: string;
}

type JsonSchema = Record<string, unknown>;
type Operation = Record<string, unknown> & { responses: Record<string, unknown>; parameters?: Record<string, unknown>[] };
/** Of the front door, which no controller knows of. */
const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Makes the request once: whoever repeats it within a day gets the same answer, with Idempotency-Replayed: true',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!#-\\[\\]-~]+$' },
};

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

/** The OpenAPI 3.1 document of a module's controllers, without starting anything: providers are not made. */
export async function describeApi(rootModule: Type | DynamicModule, title: ApiTitle): Promise<OpenAPIObject> {
  class DescribedModule {}
  const described: DynamicModule = { module: DescribedModule, imports: [idlePlatformModule(), rootModule] };
  const app = await NestFactory.create(described, { preview: true, logger: ['error'], abortOnError: false });
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
  const document = SwaggerModule.createDocument(app, base, {
    standardSchemaConverter: (schema, { schemaType }) => (schema instanceof z.core.$ZodType ? convert(schema, schemaType) : undefined),
  });
  const schemas = { ...document.components?.schemas, ...convert(Problem, 'output').components } as Schemas;
  const described = nameUnambiguousInputs({
    ...document,
    paths: sorted(
      Object.fromEntries(
        Object.entries(document.paths)
          .filter(([path]) => !path.startsWith('/internal/'))
          .map(([path, item]) => [path, describedByAll(item)]),
      ),
    ),
    components: { ...document.components, schemas: sorted(schemas) },
  });
  return withExamples(described);
}

interface Described {
  content?: Record<string, { schema?: JsonSchema; example?: unknown }>;
}

/** Of what an operation takes and of what it answers when all is well. */
function withExamples(document: OpenAPIObject): OpenAPIObject {
  const schemas = document.components?.schemas ?? {};
  const show = (part: Described | undefined, direction: 'input' | 'output') => {
    const json = part?.content?.['application/json'];
    const example = json?.schema && exampleOf(json.schema, schemas, direction);
    if (example !== undefined) json!.example = example;
  };
  for (const operation of Object.values(document.paths).flatMap(
    (item) => Object.values(item) as (Operation & { requestBody?: Described })[],
  )) {
    show(operation.requestBody, 'input');
    for (const [status, response] of Object.entries(operation.responses ?? {}))
      if (status.startsWith('2')) show(response as Described, 'output');
  }
  return document;
}

/** What is only ever sent needs no suffix to keep it from what is received. */
function nameUnambiguousInputs(document: OpenAPIObject): OpenAPIObject {
  const schemas = document.components?.schemas ?? {};
  const names = new Map(
    Object.keys(schemas).map((name) => [name, name.endsWith('Input') && !(name.slice(0, -5) in schemas) ? name.slice(0, -5) : name]),
  );
  const renamed = JSON.parse(JSON.stringify(document), (key: string, value: unknown) => {
    if (key !== '$ref' || typeof value !== 'string') return value;
    const name = value.replace('#/components/schemas/', '');
    return reference(names.get(name) ?? name).$ref;
  }) as OpenAPIObject;
  const renamedSchemas = Object.fromEntries(
    Object.entries(renamed.components?.schemas ?? {}).map(([name, schema]) => [names.get(name) ?? name, schema]),
  );
  return { ...renamed, components: { ...renamed.components, schemas: sorted(renamedSchemas) } };
}

/**
 * A schema with `.meta({ id })` becomes a named component. What is sent and what is received may differ (a default makes
 * a field optional only on the way in); then the way in is called `<id>Input`.
 */
function convert(schema: z.core.$ZodType, direction: 'input' | 'output'): { schema: JsonSchema; components: Record<string, JsonSchema> } {
  const { $defs: components = {}, ...inline } = jsonSchemaOf(schema, direction);
  if (direction === 'output') return { schema: inline, components };
  const { $defs: received = {} } = jsonSchemaOf(schema, 'output');
  const differing = Object.keys(components).filter((name) => JSON.stringify(components[name]) !== JSON.stringify(received[name]));
  const renamed = withReferrers(differing, components);
  const rename = (value: JsonSchema) => renameReferences(value, renamed) as JsonSchema;
  return {
    schema: rename(inline),
    components: Object.fromEntries(
      Object.entries(components).map(([name, component]) => [renamed.has(name) ? `${name}Input` : name, rename(component)]),
    ),
  };
}

function jsonSchemaOf(schema: z.core.$ZodType, io: 'input' | 'output'): JsonSchema & { $defs?: Record<string, JsonSchema> } {
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
  for (let grew = true; grew;) {
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

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function describedByAll<T extends object>(item: T): T {
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => [
      method,
      typeof operation === 'object' && operation !== null && 'responses' in operation
        ? withWhatAllHave(method, operation as Operation)
        : operation,
    ]),
  ) as T;
}

function withWhatAllHave(method: string, operation: Operation): Operation {
  const problem = { description: 'A problem (RFC 9457)', content: { 'application/problem+json': { schema: reference('Problem') } } };
  const open = (operation[ACCESS_EXTENSION] as { access?: string } | undefined)?.access === 'public';
  return {
    ...operation,
    ...(method === 'post' ? { parameters: [...(operation.parameters ?? []), IDEMPOTENCY_KEY] } : {}),
    responses: { ...operation.responses, default: problem },
    ...(open ? { security: [] } : {}),
  };
}

/** The document is kept in the repository; the order of imports must not change it. */
function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
