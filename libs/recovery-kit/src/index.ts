export { makeRecoveryKit, type KitOrder, type KitSheet } from './kit.js';
export { keyBlock, readPrintedKeys, type PrintedKeys } from './printed-keys.js';
export { KIT_FORMATS, renderKit, sheetFileName, type KitFormat } from './render-kit.js';
export { readKitFile } from './kit-file.js';
export { readKitRepository } from './kit-repository.js';
