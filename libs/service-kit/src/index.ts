export { CONFIG, DATABASE, MESSAGING, OUTBOX, PRINCIPALS, runtimeProviders, type ServiceRuntime, type StatelessRuntime } from './runtime.js';
export { loadConfig } from './configuration/load-config.js';
export { CurrentPrincipal, InternalOnly, Public, Requires, type PrincipalRequest } from './principal/authorization.js';
export { PrincipalGuard } from './principal/principal.guard.js';
export { PRINCIPAL_HEADER, type PrincipalSigner, type PrincipalVerifier } from './principal/principal-token.js';
export { openPrincipalKeys, type PrincipalKeys } from './principal/principal-keys.js';
