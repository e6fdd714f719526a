export { ChainedEntry, GENESIS_HASH, sealEntry, type Link, type StoredEntry } from './chain.js';
export { HEAD_EVERY, signCut, signHead, type PublicKeys, type SigningKey } from './signed-links.js';
export { CUT_ACTION, TrailCheck, type TrailVerdict } from './trail-check.js';
export { ExportedLine, notedHeads, verifyExport, type ExportVerdict } from './exported-trail.js';
