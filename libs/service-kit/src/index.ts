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
export { LogLevel, OptionalPostgresqlUrl, OptionalRedisUrl, port } from './configuration/settings.js';
export { bodyLimitOf, bodyTooLarge, isToldLarger, whenLarger } from './http/body-limits.js';
export { networkOf } from './http/client-network.js';
export { answerAndHangUp } from './http/connections.js';
export { cookieIn } from './http/cookies.js';
export { CURSORS, type Cursors } from './http/cursors.js';
export { ListPages } from './http/list-pages.js';
export { Edits, IfMatch, Tagged, whatever, type Expected } from './http/entity-tags.js';
export { OutgoingClient } from './outgoing/outgoing-client.js';
export { describeApi } from './http/open-api.js';
export { ProblemFilter } from './http/problem.filter.js';
export { problemOf } from './http/problem.js';
export { currentRequestId } from './http/request-id.js';
export { InternalClient, type InternalClientOptions } from './internal-client.js';
export { versionBeside } from './version-beside.js';
export { addressesOf, ServiceAddresses, wasRefused } from './service-addresses.js';
export { mergeApiDocuments } from './http/merged-open-api.js';
export { redactSecrets } from './operations/log-redaction.js';
export { createLogger, type LogOptions } from './operations/logging.js';
export { Counter, Gauge, Histogram, METRICS, type Registry } from './operations/metrics.js';
export { loadedGauge, type GaugeSample } from './operations/loaded-gauge.js';
export { Pulse } from './operations/pulse.js';
export { remembered } from './operations/remembered.js';
export {
  CurrentPrincipal,
  InternalOnly,
  OpenToEnrolment,
  Public,
  Requires,
  WithinServerGroups,
  type PrincipalRequest,
} from './principal/authorization.js';
export { PrincipalGuard } from './principal/principal.guard.js';
export { openPrincipalKeys, type PrincipalKeys } from './principal/principal-keys.js';
export { ADDRESS_HEADER, PRINCIPAL_HEADER, type PrincipalSigner, type PrincipalVerifier } from './principal/principal-token.js';
export { actorOf, recordAct, recordOwnAct, type Act } from './trail/acts.js';
export { changesBetween, type Changes } from './trail/changes.js';
