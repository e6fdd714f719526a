import type { Operation } from './api-document.js';

/** Calls operations by their ids, as somebody or nobody, and keeps the id of the last request of each. */
export class Calls {
  private constructor(
    private readonly url: string,
    private readonly operations: ReadonlyMap<string, Operation>,
    private readonly requests: Map<string, string>,
    private readonly token: string | undefined,
  ) {}

  static ofNobody(url: string, operations: ReadonlyMap<string, Operation>): Calls {
    return new Calls(url, operations, new Map(), undefined);
  }

  /** The same book of requests, another caller. */
  as(token: string): Calls {
    return new Calls(this.url, this.operations, this.requests, token);
  }

  requestOf(id: string): string | undefined {
    return this.requests.get(id);
  }

  /** Answers with the body. Parameters that the path doesn't name are those of the query. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async call(id: string, parameters: Record<string, string> = {}, body?: unknown): Promise<any> {
    const operation = this.operations.get(id);
    if (!operation) throw new Error(`There is no operation ${id}`);
    const route = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parameters[name]!);
    const asked = new URLSearchParams(Object.entries(parameters).filter(([name]) => !operation.path.includes(`{${name}}`)));
    const response = await fetch(`${this.url}${route}${asked.size > 0 ? `?${asked.toString()}` : ''}`, {
      method: operation.method,
      headers: {
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${id} answered with ${response.status}: ${text}`);
    this.requests.set(id, response.headers.get('x-request-id')!);
    return /^application\/json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
  }
}
