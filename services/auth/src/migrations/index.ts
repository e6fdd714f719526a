import { CreateAuth1763900000000 } from './0001-create-auth.js';
import { KeepSentMessages1764240000000 } from './0002-keep-sent-messages.js';
import { People1764410000000 } from './0003-people.js';
import { SecondFactors1764420000000 } from './0004-second-factors.js';
import { LimitRoles1764470000000 } from './0005-limit-roles.js';

export const authMigrations = [
  CreateAuth1763900000000,
  KeepSentMessages1764240000000,
  People1764410000000,
  SecondFactors1764420000000,
  LimitRoles1764470000000,
];
