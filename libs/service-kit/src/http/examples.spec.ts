import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { exampleOf } from './examples.js';

type JsonSchema = Record<string, unknown>;

describe('an example', () => {
  it.each<[object, unknown]>([
    [{ type: 'string', format: 'date-time' }, '2026-01-31T03:00:00.000Z'],
    [{ type: 'string', minLength: 6 }, 'text..'],
    [{ type: 'string', pattern: '^never$' }, undefined],
    [{ type: 'string', pattern: '^x', examples: ['xyz'] }, 'xyz'],
    [{ type: 'integer', minimum: 5, multipleOf: 4 }, 8],
    [{ anyOf: [{ type: 'null' }, { const: 'a' }] }, 'a'],
    [{ type: 'array', minItems: 2, items: { type: 'boolean' } }, [true, true]],
    [{ type: 'object', properties: { name: { type: 'string' }, more: { type: 'string' } }, required: ['name'] }, { name: 'Orders' }],
  ])('of %j is %j', (schema, expected) => expect(exampleOf(schema as JsonSchema, {}, 'input')).toEqual(expected));

  it('ends in a schema that holds itself', () => {
    const schemas = { Tree: { type: 'object', properties: { children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } } } } };
    expect(JSON.stringify(exampleOf({ $ref: '#/components/schemas/Tree' }, schemas, 'output')).length).toBeLessThan(200);
  });
});

describe('the examples of the API', () => {
  interface Part {
    content?: Record<string, { schema: JsonSchema; example?: unknown }>;
  }
  interface Operation {
    operationId: string;
    requestBody?: Part;
    responses: Record<string, Part>;
  }

  it('are there for each body and answer, and are what their schema says', async () => {
    const document = JSON.parse(await readFile(new URL('../../../api-client/openapi.json', import.meta.url), 'utf8')) as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: object };
    };
    const $defs = JSON.parse(JSON.stringify(document.components.schemas).replaceAll('#/components/schemas/', '#/$defs/')) as object;
    const wrong: string[] = [];
    for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item))) {
      const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
      for (const [where, part] of [['body', operation.requestBody] as const, ...successes]) {
        const json = part?.content?.['application/json'];
        if (json === undefined) continue;
        const place = `${operation.operationId} ${where}`;
        if (json.example === undefined) wrong.push(`${place} has none`);
        const own = JSON.parse(JSON.stringify(json.schema).replaceAll('#/components/schemas/', '#/$defs/')) as JsonSchema;
        const result = z.fromJSONSchema({ ...own, $defs } as never).safeParse(json.example);
        if (!result.success)
          wrong.push(`${place}: ${result.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ')}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
