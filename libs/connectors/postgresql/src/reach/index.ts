export { tlsOptions } from './tls-options.js';
export { dialled, type RoutedConnection } from './routed-connection.js';
export { throughTunnel } from './ssh-tunnel.js';
