import { CreateScheduler1763900000000 } from './0001-create-scheduler.js';
import { SelectServersAndSchedules1764201600000 } from './0002-select-servers-and-schedules.js';
import { VerifyAsPlanned1764220000000 } from './0003-verify-as-planned.js';
import { KeepByPolicy1764230000000 } from './0004-keep-by-policy.js';
import { KeepSentMessages1764240000000 } from './0005-keep-sent-messages.js';
import { CollectAndUndo1764300000000 } from './0006-collect-and-undo.js';
import { SearchTheCatalog1764310000000 } from './0007-search-the-catalog.js';
import { RebuildTheCatalog1764320000000 } from './0008-rebuild-the-catalog.js';
import { KeepProtections1764330000000 } from './0009-keep-protections.js';
import { WeighEditedPlans1764340000000 } from './0010-weigh-edited-plans.js';
import { MarkDueBackups1764450000000 } from './0011-mark-due-backups.js';
import { RebuildAttached1764450100000 } from './0012-rebuild-attached.js';
import { KeepLiveEvents1764430100000 } from './0013-keep-live-events.js';
import { CompareBackups1764460000000 } from './0014-compare-backups.js';
import { FollowLogs1764590000000 } from './0015-follow-logs.js';
import { KeepConnectionKeys1764600000000 } from './0016-keep-connection-keys.js';
import { LimitToServerGroups1764610000000 } from './0017-limit-to-server-groups.js';
import { SpareTheSource1764620000000 } from './0018-spare-the-source.js';
import { RestUponBackups1764630000000 } from './0019-rest-upon-backups.js';
import { KeepSafetyCopies1764640000000 } from './0020-keep-safety-copies.js';
import { KeepManagedSnapshots1764660000000 } from './0022-keep-managed-snapshots.js';

export const schedulerMigrations = [
  CreateScheduler1763900000000,
  SelectServersAndSchedules1764201600000,
  VerifyAsPlanned1764220000000,
  KeepByPolicy1764230000000,
  KeepSentMessages1764240000000,
  CollectAndUndo1764300000000,
  SearchTheCatalog1764310000000,
  RebuildTheCatalog1764320000000,
  KeepProtections1764330000000,
  WeighEditedPlans1764340000000,
  KeepLiveEvents1764430100000,
  MarkDueBackups1764450000000,
  RebuildAttached1764450100000,
  CompareBackups1764460000000,
  FollowLogs1764590000000,
  KeepConnectionKeys1764600000000,
  LimitToServerGroups1764610000000,
  SpareTheSource1764620000000,
  RestUponBackups1764630000000,
  KeepSafetyCopies1764640000000,
  KeepManagedSnapshots1764660000000,
];
