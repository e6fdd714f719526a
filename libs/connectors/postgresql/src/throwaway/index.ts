export { removeThrowawayLeftovers } from './leftovers.js';
export { makeThrowawayFolder } from './throwaway-folder.js';
export { startThrowawayServer, type ThrowawayServer } from './throwaway-server.js';
