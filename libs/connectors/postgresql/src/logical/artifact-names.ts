import { z } from 'zod';

export const FACTS_KEY = 'database.json';
export const TOC_KEY = 'toc';
export const GLOBALS_KEY = 'globals.sql';

/** `rows/<schema>/<table>`: every name gives another key, and no name can leave its place. */
export function rowsKey(schema: string, table: string): string {
  return `rows/${encodeName(schema)}/${encodeName(table)}`;
}

export function largeObjectKey(oid: number): string {
  return `lo/${oid}`;
}

export function largeObjectGroupKey(dumpId: number, group: number): string {
  return `lo/group-${dumpId}-${group}`;
}

function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll(/[.!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

export const RowsMeta = z.object({ dumpId: z.number(), schema: z.string(), table: z.string() });
export const LargeObjectMeta = z.object({ dumpId: z.number(), oid: z.number().optional() });
