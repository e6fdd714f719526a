import type { Role, Scope } from '@rahat/contracts';

export type JsonSchema = Record<string, unknown>;

/** One operation of the platform's own description. */
export interface Operation {
  method: string;
  path: string;
  operationId: string;
  /** Absent when its handler does not declare it. */
  access?: { access: 'public' } | { access: 'scopes'; scopes: Scope[] };
  /** Also open to whoever is limited to server groups. */
  withinServerGroups: boolean;
  parameters: { name: string; in: string; required?: boolean; schema: JsonSchema }[];
  body?: JsonSchema;
  responses: Record<string, { content?: Record<string, { schema?: JsonSchema }> }>;
}

export interface ApiDocument {
  operations: Operation[];
  schemas: Record<string, JsonSchema>;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

export async function readApiDocument(url: string): Promise<ApiDocument> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as any;
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries<Record<string, never>>(document.paths)) {
    for (const method of METHODS) {
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      const operation = item[method] as any;
      if (operation === undefined) continue;
      operations.push({
        method: method.toUpperCase(),
        path,
        operationId: operation.operationId,
        access: operation['x-rahat-access'],
        withinServerGroups: operation['x-rahat-within-server-groups'] === true,
        parameters: operation.parameters ?? [],
        body: operation.requestBody?.content['application/json']?.schema,
        responses: operation.responses,
      });
    }
  }
  return { operations, schemas: document.components.schemas };
}

/** Whether a role falls short of what an operation declares. */
export function isTooWeak(scopes: readonly Scope[], { access }: Operation): boolean {
  return access?.access === 'scopes' && access.scopes.some((scope) => !scopes.includes('*') && !scopes.includes(scope));
}

export type Ids = Record<string, string>;

/** Each parameter as the id of something that is there, by the name of its place in the path. */
export function pathOf({ path }: Operation, ids: Ids): string {
  const segments = path.split('/');
  return segments
    .map((segment, index) => (segment.startsWith('{') ? encodeURIComponent(ids[segments[index - 1]!] ?? 'absent_1') : segment))
    .join('/');
}

export const ROLES: Role[] = ['viewer', 'operator', 'auditor'];
