import { BackupsController } from './backups/backups.controller.js';
import { AnnotationsController } from './catalog/annotations.controller.js';
import { CollectionsController } from './collections/collections.controller.js';
import { ComparisonsController } from './comparisons/comparisons.controller.js';
import { ContentsController } from './contents/contents.controller.js';
import { DatabasesController } from './databases/databases.controller.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { DocumentsController } from './documents/documents.controller.js';
import { LiveController } from './live/live.controller.js';
import { SharedLiveController } from './live/shared-live.controller.js';
import { ManagedSnapshotsController } from './managed-snapshots/managed-snapshots.controller.js';
import { PlansController } from './plans/plans.controller.js';
import { PlatformProtectionController } from './platform/platform-protection.controller.js';
import { RebuildController } from './rebuild/rebuild.controller.js';
import { WindowsController } from './recovery/windows.controller.js';
import { RestoresController } from './restores/restores.controller.js';
import { RunsController } from './runs/runs.controller.js';
import { SchedulingController } from './scheduling/scheduling.controller.js';
import { SearchController } from './search/search.controller.js';
import { ServerGroupsController } from './servers/server-groups.controller.js';
import { ServersController } from './servers/servers.controller.js';
import { StatusController } from './status/status.controller.js';
import { TemplatesController } from './templates/templates.controller.js';
import { TrashController } from './trash/trash.controller.js';

/** All of the service's HTTP. */
export const schedulerControllers = [
  LiveController,
  SharedLiveController,
  ServersController,
  ServerGroupsController,
  SchedulingController,
  DatabasesController,
  ManagedSnapshotsController,
  PlansController,
  TemplatesController,
  DocumentsController,
  RunsController,
  BackupsController,
  ContentsController,
  TrashController,
  CollectionsController,
  RebuildController,
  WindowsController,
  ComparisonsController,
  RestoresController,
  StatusController,
  DeadLettersController,
  AnnotationsController,
  SearchController,
  PlatformProtectionController,
];
