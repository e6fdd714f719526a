export { checkBaseBackup } from './check-base-backup.js';
export { inspectServer } from './inspected-server.js';
export { recoverServer } from './recovered-server.js';
export { restoreBaseBackupToFolder } from './restore-to-folder.js';
export { takeBaseBackup } from './take-base-backup.js';
export { testRestoreBaseBackup } from './test-restore.js';
