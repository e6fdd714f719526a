import type { OpenAPIObject } from '@nestjs/swagger';
import { RahatError } from '@rahat/contracts';
import { addressesOf, mergeApiDocuments } from '@rahat/service-kit';
import { OWNING_SERVICES } from './owners.js';

/** A service may be updated while the gateway runs. */
const HOLDS_MS = 60_000;
const TIMEOUT_MS = 5_000;

/** The API of all services as one document, asked for when somebody wants to read it. */
export class MergedApi {
  private asking: Promise<OpenAPIObject> | undefined;
  private known: { document: OpenAPIObject; until: number } | undefined;

  constructor(
    private readonly config: object,
    private readonly title: { title: string; version: string },
  ) {}

  /** However many ask at once, the services are asked once. */
  readonly document = async (): Promise<OpenAPIObject> => {
    if (this.known && this.known.until > Date.now()) return this.known.document;
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  };

  private async ask(): Promise<OpenAPIObject> {
    const documents = await Promise.all(OWNING_SERVICES.map((service) => this.documentOf(service)));
    const document = mergeApiDocuments(documents, this.title.title, this.title.version);
    this.known = { document, until: Date.now() + HOLDS_MS };
    return document;
  }

  private async documentOf(service: string): Promise<OpenAPIObject> {
    const [address] = addressesOf(this.config, service);
    try {
      const response = await fetch(new URL('/api/openapi.json', address), { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return (await response.json()) as OpenAPIObject;
    } catch (cause) {
      throw new RahatError('unavailable', `The service ${service} does not tell its API`, { cause });
    }
  }
}
