export { keyBlock, readPrintedKeys, type PrintedKeys } from './printed-keys.js';
