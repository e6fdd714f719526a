export { RetentionService } from '../retention/retention.service.js';
export { Ticker } from '../runs/tick/ticker.js';
export { catalogId, fillCatalog } from './fill-catalog.js';
export { startTestScheduler, type TestScheduler } from './start-test-scheduler.js';
