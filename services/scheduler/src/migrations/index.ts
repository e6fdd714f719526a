import { CreateScheduler1763900000000 } from './0001-create-scheduler.js';
import { SelectServersAndSchedules1764201600000 } from './0002-select-servers-and-schedules.js';
import { KeepByPolicy1764209000000 } from './0005-keep-by-policy.js';

export const schedulerMigrations = [CreateScheduler1763900000000, SelectServersAndSchedules1764201600000, KeepByPolicy1764209000000];
