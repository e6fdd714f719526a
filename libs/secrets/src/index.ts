export * from './secret-box.js';
export { openKeyFile, readKeyFile } from './key-file.js';
export { createSecretBox, derivePassword } from './envelope.js';
export { openPoolKey, poolKeyFrom, sealFor } from './pool-key.js';
export { newKeyedText, parseKeyedText, sameHash } from './keyed-text.js';
