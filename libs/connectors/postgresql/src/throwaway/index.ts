export { removeThrowawayLeftovers } from './leftovers.js';
export { startThrowawayServer, type ThrowawayOptions, type ThrowawayServer } from './throwaway-server.js';
