export * from './service-database.js';
