import type { NextFunction, Request, Response } from 'express';
import { ADDRESS_HEADER, type PrincipalVerifier } from './principal-token.js';

/** `request.ip` becomes what the front door says, where it says so; a bare X-Forwarded-For is not looked at. */
export function believeFrontDoor(verifier: PrincipalVerifier): (request: Request, response: Response, next: NextFunction) => Promise<void> {
  return async (request, _response, next) => {
    const token = request.headers[ADDRESS_HEADER];
    const address = typeof token === 'string' ? await verifier.verifyAddress(token) : undefined;
    if (address !== undefined) Object.defineProperty(request, 'ip', { value: address, configurable: true });
    next();
  };
}
