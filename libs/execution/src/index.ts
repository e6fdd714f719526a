export { processStart, TABLE_FORMATS, type BackupOutline, type PushedSegment, type TableFormat } from '@rahat/connector-kit';
export { listTools, startThrowawayServer } from './connectors.js';
export type { ComparisonOrder, ComparisonReport } from './compare.js';
export { executeRun } from './execute-run.js';
export { maskSecrets } from './mask-secrets.js';
export { createOfflineRepository, openOfflineRepository, presentSnapshot, type OfflineRepository, type OfflineRestore } from './offline.js';
export { endOfflineSafetyCopy, outlineOfflineSafetyCopy } from './offline-safety-copies.js';
export { readContents } from './contents.js';
export { executeFollow, type LogCommitted } from './follow.js';
export type { Inspection, InspectionOrder } from './inspection.js';
export type { OfflineLogStream } from './offline-logs.js';
export { removeLeftovers, type OfflineOptions } from './offline-scratch.js';
export {
  discoverDatabases,
  dropSlot,
  makeBackupUser,
  outlineRestore,
  outlineSafetyCopy,
  preflightServer,
  probeServer,
  removeBackupUser,
  type QuestionOptions,
} from './questions.js';
export {
  KIT_FORMATS,
  keyBlock,
  makeRecoveryKit,
  readKitFile,
  readKitRepository,
  readPrintedKeys,
  renderKit,
  sheetFileName,
  type KitFormat,
  type KitSheet,
} from '@rahat/recovery-kit';
export type { AddedKeyslot, KeyslotListing, NewWayIn, SlotCredential } from '@rahat/repository';
export { PauseGate } from './pause-gate.js';
export { runProcess, type RunProcess } from './run-process.js';
export type { TellFound } from './rebuild.js';
export type { ExecutionOptions, ExecutionProgress, LogLevel } from './run-context.js';
export { embeddedToolFolders } from './embedded-tools.js';
