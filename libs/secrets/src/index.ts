export * from './secret-box.js';
export { openKeyFile } from './key-file.js';
export { createSecretBox, derivePassword } from './envelope.js';
export { openPoolKey, poolKeyFrom, sealFor } from './pool-key.js';
