import { createHash } from 'node:crypto';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Express, Request, Response } from 'express';

const DOCUMENT = '/api/openapi.json';

/** `/api/openapi.json`, and `/api/docs` for people. */
export function serveApiDocs(nest: NestExpressApplication, title: string, documentNow: () => Promise<OpenAPIObject> | OpenAPIObject): void {
  let written: WrittenDocument | undefined;
  const express = nest.getHttpAdapter().getInstance() as Express;
  express.get(DOCUMENT, async (_request: Request, response: Response) => {
    const document = await documentNow();
    // Written once for all: it is large, and anybody may ask for it as often as he likes and read it as slowly.
    if (written?.of !== document) written = write(document);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Cache-Control', 'no-cache');
    response.setHeader('ETag', written.tag);
    response.send(written.bytes);
  });
  // The page's scripts come from the package; a validator elsewhere would be told of every API.
  SwaggerModule.setup('api/docs', nest, {} as OpenAPIObject, {
    raw: false,
    swaggerUrl: DOCUMENT,
    swaggerOptions: { validatorUrl: null },
    customSiteTitle: `${title} API`,
    // It asks for the document where others do.
    patchDocumentOnRequest: () => undefined as never,
  });
}

interface WrittenDocument {
  of: OpenAPIObject;
  bytes: Buffer;
  tag: string;
}

function write(document: OpenAPIObject): WrittenDocument {
  const bytes = Buffer.from(JSON.stringify(document));
  return { of: document, bytes, tag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"` };
}
