import { describe } from '@jest/globals';
import { describeSchedules } from './many-schedules.js';

describe('a repository under many writers, readers and collectors, faults, crashes, suspended machines and late puts', () => {
  describeSchedules(4);
});
