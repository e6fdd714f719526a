export { removeThrowawayLeftovers } from './leftovers.js';
export { makeThrowawayFolder, type ThrowawayFolder } from './throwaway-folder.js';
export { startThrowawayServer, type ThrowawayOptions, type ThrowawayServer } from './throwaway-server.js';
