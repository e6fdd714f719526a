export { restoreBaseBackupToFolder } from './restore-to-folder.js';
export { takeBaseBackup } from './take-base-backup.js';
