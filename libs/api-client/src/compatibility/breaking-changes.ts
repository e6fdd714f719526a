type Json = Record<string, unknown>;

/** Of an OpenAPI document, as much as is compared. */
export interface ComparedDocument {
  paths: Record<string, Record<string, unknown>>;
  components?: { schemas?: Record<string, unknown> };
}

interface Operation {
  operationId?: string;
  security?: unknown[];
  parameters?: { name: string; in: string; required?: boolean; schema?: Json }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Json }> };
  responses: Record<string, { content?: Record<string, { schema?: Json }> }>;
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

/** What of `after` a client that was made for `before` would stumble over; each as a sentence, none when it goes on working. */
export function breakingChanges(before: ComparedDocument, after: ComparedDocument): string[] {
  const found: string[] = [];
  for (const [path, item] of Object.entries(before.paths)) {
    for (const method of METHODS.filter((one) => one in item)) {
      const place = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      if (now === undefined) found.push(`${place} was removed`);
      else
        found.push(
          ...changesOfOperation(item[method] as Operation, now as Operation, new Comparison(before, after)).map(
            (change) => `${place}: ${change}`,
          ),
        );
    }
  }
  return found;
}

function changesOfOperation(before: Operation, after: Operation, schemas: Comparison): string[] {
  const found: string[] = [];
  if (before.operationId !== after.operationId) found.push(`operationId is ${after.operationId} and no more ${before.operationId}`);
  if (before.security?.length === 0 && after.security?.length !== 0) found.push('needs authentication now');
  found.push(...changesOfParameters(before, after, schemas));
  const [sent, taken] = [contentOf(before.requestBody), contentOf(after.requestBody)];
  if (sent && !taken) found.push('takes no body any more');
  if (!sent && taken && after.requestBody?.required) found.push('needs a body now');
  if (sent && taken) found.push(...schemas.compare(sent, taken, 'sent', 'body'));
  for (const [status, response] of Object.entries(before.responses)) {
    if (!(status in after.responses)) found.push(`answers ${status} no more`);
    const [given, gives] = [contentOf(response), contentOf(after.responses[status])];
    if (given && gives) found.push(...schemas.compare(given, gives, 'received', status));
    else if (given && status in after.responses) found.push(`has no body with ${status} any more`);
  }
  return found;
}

function changesOfParameters(before: Operation, after: Operation, schemas: Comparison): string[] {
  const keyOf = (parameter: { name: string; in: string }) => `${parameter.in} parameter ${parameter.name}`;
  const [known, now] = [before, after].map(({ parameters = [] }) => new Map(parameters.map((parameter) => [keyOf(parameter), parameter])));
  const found: string[] = [];
  for (const [key, parameter] of known!) {
    const other = now!.get(key);
    if (other === undefined) found.push(`${key} was removed`);
    else found.push(...schemas.compare(parameter.schema ?? {}, other.schema ?? {}, 'sent', key));
  }
  for (const [key, { required }] of now!) {
    if (required && !known!.get(key)?.required) found.push(`${key} is needed now`);
  }
  return found;
}

function contentOf(part: { content?: Record<string, { schema?: Json }> } | undefined): Json | undefined {
  return part?.content && Object.values(part.content)[0]?.schema;
}

/** Whether it goes from the client to the platform, or comes back. */
type Direction = 'sent' | 'received';

class Comparison {
  private readonly seen = new Set<string>();

  constructor(
    private readonly before: ComparedDocument,
    private readonly after: ComparedDocument,
  ) {}

  compare(one: Json, other: Json, direction: Direction, place: string): string[] {
    // A schema may hold itself.
    const pair = `${direction} ${String(one['$ref'] ?? place)} ${String(other['$ref'] ?? place)}`;
    if (one['$ref'] && other['$ref']) {
      if (this.seen.has(pair)) return [];
      this.seen.add(pair);
    }
    const [before, after] = [resolved(one, this.before), resolved(other, this.after)];
    return [
      ...changedTypes(before, after, direction, place),
      ...removedValues(before, after, place),
      ...this.changedChoices(before, after, direction, place),
      ...this.changedProperties(before, after, direction, place),
      ...(isJson(before['items']) && isJson(after['items']) ? this.compare(before['items'], after['items'], direction, `${place}[]`) : []),
    ];
  }

  private changedProperties(before: Json, after: Json, direction: Direction, place: string): string[] {
    const [known, now] = [before, after].map((schema) => (schema['properties'] ?? {}) as Record<string, Json>);
    const [needed, needs] = [before, after].map((schema) => new Set((schema['required'] ?? []) as string[]));
    const found: string[] = [];
    for (const [name, schema] of Object.entries(known!)) {
      const there = `${place}.${name}`;
      if (!(name in now!)) found.push(`${there} was removed`);
      else {
        if (direction === 'received' && needed!.has(name) && !needs!.has(name)) found.push(`${there} may be absent now`);
        found.push(...this.compare(schema, now![name]!, direction, there));
      }
    }
    if (direction === 'sent')
      found.push(...[...needs!].filter((name) => !needed!.has(name)).map((name) => `${place}.${name} is needed now`));
    return found;
  }

  /** Each one that there was must still be there; they are told apart by what they look like, or by their order. */
  private changedChoices(before: Json, after: Json, direction: Direction, place: string): string[] {
    const [known, now] = [before, after].map((schema) => (schema['anyOf'] ?? schema['oneOf']) as Json[] | undefined);
    if (!known || !now) return [];
    if (direction === 'sent' && now.length < known.length) return [`${place} has fewer forms`];
    return known.flatMap((choice, index) => {
      if (now.some((other) => this.isSame(choice, other))) return [];
      const other = now[index];
      return other === undefined ? [] : this.compare(choice, other, direction, place);
    });
  }

  private isSame(one: Json, other: Json): boolean {
    return (
      new Comparison(this.before, this.after).compare(one, other, 'sent', '').length === 0 &&
      new Comparison(this.before, this.after).compare(one, other, 'received', '').length === 0
    );
  }
}

function changedTypes(before: Json, after: Json, direction: Direction, place: string): string[] {
  const [known, now] = [typesOf(before), typesOf(after)];
  if (known.length === 0 || now.length === 0) return [];
  // Whoever sends may send less, whoever receives must bear what comes. An integer is a number.
  const [given, taken] = direction === 'sent' ? [known, now] : [now, known];
  const lost = given.filter((type) => !taken.includes(type) && !(type === 'integer' && taken.includes('number')));
  return lost.length === 0 ? [] : [`${place} is ${now.join(' or ')} and no more ${known.join(' or ')}`];
}

function removedValues(before: Json, after: Json, place: string): string[] {
  const [known, now] = [valuesOf(before), valuesOf(after)];
  if (!known || !now) return [];
  return known.filter((value) => !now.includes(value)).map((value) => `${place} has no value ${JSON.stringify(value)} any more`);
}

function valuesOf(schema: Json): unknown[] | undefined {
  return 'const' in schema ? [schema['const']] : (schema['enum'] as unknown[] | undefined);
}

function typesOf({ type }: Json): string[] {
  return type === undefined ? [] : [type].flat().map(String);
}

function resolved(schema: Json, document: ComparedDocument): Json {
  const name = typeof schema['$ref'] === 'string' ? schema['$ref'].split('/').at(-1)! : undefined;
  return name === undefined ? schema : ((document.components?.schemas?.[name] ?? {}) as Json);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
