// Writes src/generated/ from openapi.json. After a change of the API, fetch-document.mjs comes first.
import { rm } from 'node:fs/promises';
import { createClient } from '@hey-api/openapi-ts';

const folder = import.meta.dirname;
await rm(`${folder}/src/generated`, { recursive: true, force: true });
await createClient({
  input: `${folder}/openapi.json`,
  output: { path: `${folder}/src/generated`, module: { extension: '.js' }, importFileExtension: '.js' },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
  logs: { level: 'error' },
});
