export { followFindings } from './follow-findings.js';
export { followLog } from './follow-log.js';
export { pushFindings } from './pushed/archiver.js';
export { takePushed } from './pushed/take-pushed.js';
export { planRecovery } from './plan-recovery.js';
export { addRecovery, type PlannedRecovery, recoveryFinding } from './recovery-log.js';
export { dropSlot } from './replication-slot.js';
