import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { shapes, STANDALONE } from './shapes.js';
import { openWorld, type World } from './world.js';

const WRITTEN = fileURLToPath(new URL('../../libs/api-client/openapi.json', import.meta.url));

describe.each(shapes(STANDALONE))('the generated client ($form, $queues)', (shape) => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld([], shape);
  }, 120_000);
  afterAll(async () => world[Symbol.asyncDispose]());

  it('is made from the document that the platform serves', async () => {
    const { servers: _address, ...served } = (await (await fetch(`${world.platform.url}/api/openapi.json`)).json()) as Record<
      string,
      unknown
    >;
    const written = JSON.parse(await readFile(WRITTEN, 'utf8')) as Record<string, unknown>;
    const differing = Object.keys({ ...served, ...written }).filter(
      (part) => JSON.stringify(served[part]) !== JSON.stringify(written[part]),
    );
    if (differing.length > 0)
      throw new Error(
        `libs/api-client/openapi.json is not what the platform serves (${differing.join(', ')}). Run: npm run build && node libs/api-client/fetch-document.mjs && node libs/api-client/generate.mjs`,
      );
    expect(differing).toEqual([]);
  });
});
