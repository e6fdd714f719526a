import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';

const SELF = ["'self'"];

/** Everything comes from us, and nothing may frame us. */
const pages = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: SELF,
      styleSrc: SELF,
      imgSrc: SELF,
      connectSrc: SELF,
      formAction: SELF,
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  // Plain http on 127.0.0.1 is the default shape; a proxy with TLS sets its own.
  strictTransportSecurity: false,
  crossOriginEmbedderPolicy: false,
  xFrameOptions: { action: 'deny' },
});

/** Swagger UI and Scalar bring inline styles and data: images. */
const apiDocs = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: SELF,
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      connectSrc: SELF,
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: false,
  crossOriginEmbedderPolicy: false,
  xFrameOptions: { action: 'deny' },
});

export function securityHeaders(request: Request, response: Response, next: NextFunction): void {
  const forDocs = request.originalUrl.toLowerCase().startsWith('/api/docs');
  if (request.originalUrl.toLowerCase().startsWith('/api/') && !forDocs) response.setHeader('Cache-Control', 'no-store');
  (forDocs ? apiDocs : pages)(request, response, next);
}
