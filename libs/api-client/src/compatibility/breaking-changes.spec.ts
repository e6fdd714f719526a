import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { breakingChanges, type ComparedDocument } from './breaking-changes.js';

type Json = Record<string, unknown>;

const thing = (change: Json = {}): Json => ({
  type: 'object',
  properties: {
    name: { type: 'string' },
    state: { enum: ['on', 'off'] },
    inner: { $ref: '#/components/schemas/Thing' },
    size: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    ...(change['properties'] as Json),
  },
  required: ['name'],
  ...(change['required'] ? { required: change['required'] } : {}),
});

function document(change: { thing?: Json; create?: Json; operation?: Json; paths?: Json } = {}): ComparedDocument {
  return {
    paths: {
      '/things/{id}': {
        post: {
          operationId: 'things_make',
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
          requestBody: { required: true, content: { 'application/json': { schema: { $ref: '#/components/schemas/CreateThing' } } } },
          responses: { '201': { content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } } }, default: {} },
          ...change.operation,
        },
      },
      ...change.paths,
    } as ComparedDocument['paths'],
    components: { schemas: { Thing: change.thing ?? thing(), CreateThing: change.create ?? without('inner') } },
  };
}
const without = (name: string) => {
  const { [name]: _gone, ...properties } = thing()['properties'] as Json;
  return { ...thing(), properties };
};

describe('changes of the API', () => {
  it.each([
    ['nothing', {}],
    ['a new path', { paths: { '/new': { get: { operationId: 'new', responses: {} } } } }],
    ['a new member of an answer', { thing: thing({ properties: { fresh: { type: 'string' } } }) }],
    ['a new member that may be sent', { create: thing({ properties: { fresh: { type: 'string' } } }) }],
    ['a member that need not be sent any more', { create: { ...thing(), required: [] } }],
    ['a member that is always there now', { thing: thing({ required: ['name', 'state'] }) }],
    ['a new value', { thing: thing({ properties: { state: { enum: ['on', 'off', 'broken'] } } }) }],
    ['a whole number in an answer that had any', { create: thing({ properties: { name: { type: ['string', 'number'] } } }) }],
    [
      'a new parameter that need not be sent',
      {
        operation: {
          parameters: [
            { name: 'id', in: 'path', required: true },
            { name: 'q', in: 'query' },
          ],
        },
      },
    ],
  ])('%s breaks no client', (_name, change) => expect(breakingChanges(document(), document(change as never))).toEqual([]));

  it.each([
    ['a removed path', { paths: { '/things/{id}': {} } }, 'POST /things/{id} was removed'],
    ['another operationId', { operation: { operationId: 'other' } }, 'POST /things/{id}: operationId is other and no more things_make'],
    ['a removed member of an answer', { thing: without('state') }, 'POST /things/{id}: 201.state was removed'],
    ['a member that may be absent', { thing: { ...thing(), required: [] } }, 'POST /things/{id}: 201.name may be absent now'],
    ['a member that can be sent no more', { create: without('state') }, 'POST /things/{id}: body.state was removed'],
    ['a member that must be sent', { create: thing({ required: ['name', 'state'] }) }, 'POST /things/{id}: body.state is needed now'],
    [
      'a removed value',
      { thing: thing({ properties: { state: { enum: ['on'] } } }) },
      'POST /things/{id}: 201.state has no value "off" any more',
    ],
    [
      'another type',
      { thing: thing({ properties: { name: { type: 'integer' } } }) },
      'POST /things/{id}: 201.name is integer and no more string',
    ],
    [
      'a null that was none',
      { thing: thing({ properties: { name: { type: ['string', 'null'] } } }) },
      'POST /things/{id}: 201.name is string or null and no more string',
    ],
    [
      'a form that is taken no more',
      { create: thing({ properties: { size: { anyOf: [{ type: 'integer' }] } } }) },
      'POST /things/{id}: body.size has fewer forms',
    ],
    ['another success', { operation: { responses: { '202': {} } } }, 'POST /things/{id}: answers 201 no more'],
    [
      'a parameter that must be sent',
      {
        operation: {
          parameters: [
            { name: 'id', in: 'path', required: true },
            { name: 'q', in: 'query', required: true },
          ],
        },
      },
      'POST /things/{id}: query parameter q is needed now',
    ],
    ['a removed parameter', { operation: { parameters: [] } }, 'POST /things/{id}: path parameter id was removed'],
  ])('%s breaks one', (_name, change, told) => expect(breakingChanges(document(), document(change as never))).toContain(told));

  it('is none since the last release', async () => {
    const read = async (place: string) => JSON.parse(await readFile(new URL(place, import.meta.url), 'utf8')) as ComparedDocument;
    const found = breakingChanges(await read('../../../../docs/api/openapi-released.json'), await read('../../openapi.json'));
    // Whoever breaks the API on purpose releases a new version of it, and writes the document anew.
    expect(found).toEqual([]);
  });
});
