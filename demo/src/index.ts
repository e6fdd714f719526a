export type { DemoResult } from './demo-result.js';
export { clientOf, gatewaysOf, startPlatform, type Form, type Platform, type PlatformOptions } from './platform.js';
export { backUpAndProve, protect } from './protection.js';
export { data, succeeded, verified } from './steps.js';
export { mismatches, proveTables, withClient, type TableProof } from './table-proof.js';
export { shopStatements } from './shop-schema.js';
