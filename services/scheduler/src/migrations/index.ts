import { CreateScheduler1763900000000 } from './0001-create-scheduler.js';

export const schedulerMigrations = [CreateScheduler1763900000000];
