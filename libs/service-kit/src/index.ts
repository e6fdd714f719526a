export {
  CONFIG,
  DATABASE,
  MESSAGING,
  OUTBOX,
  PRINCIPALS,
  runtimeProviders,
  type ServiceRuntime,
  type StatelessRuntime,
} from './runtime.js';
export { createApplication, type Application, type ApplicationOptions, type ListenAddress } from './application.js';
export { loadConfig } from './configuration/load-config.js';
export { CURSORS, type Cursors } from './http/cursors.js';
export { OutgoingClient } from './outgoing/outgoing-client.js';
export { describeApi } from './http/open-api.js';
export { ProblemFilter } from './http/problem.filter.js';
export { problemOf } from './http/problem.js';
export { InternalClient } from './internal-client.js';
export { createLogger, type LogOptions } from './operations/logging.js';
export { addGauge, type GaugeSample, type MetricsRegistry } from './operations/gauges.js';
export { METRICS } from './operations/metrics.js';
export { CurrentPrincipal, InternalOnly, Public, Requires, type PrincipalRequest } from './principal/authorization.js';
export { PrincipalGuard } from './principal/principal.guard.js';
export { openPrincipalKeys, type PrincipalKeys } from './principal/principal-keys.js';
export { PRINCIPAL_HEADER, type PrincipalSigner, type PrincipalVerifier } from './principal/principal-token.js';
