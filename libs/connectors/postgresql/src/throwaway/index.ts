export { recordOwner, removeThrowawayLeftovers } from './leftovers.js';
export { refuseUnreachable } from './server-arguments.js';
export { findServerBinaries } from './server-binaries.js';
export { StandbyServer } from './standby-server.js';
export { makeThrowawayFolder, type ThrowawayFolder } from './throwaway-folder.js';
export { startThrowawayServer, type ThrowawayServer } from './throwaway-server.js';
