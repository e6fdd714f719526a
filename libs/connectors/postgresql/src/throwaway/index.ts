export { removeThrowawayLeftovers } from './leftovers.js';
export { findServerBinaries } from './server-binaries.js';
export { makeThrowawayFolder } from './throwaway-folder.js';
export { startThrowawayServer, type ThrowawayServer } from './throwaway-server.js';
