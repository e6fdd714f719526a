export { followFindings } from './follow-findings.js';
export { followLog } from './follow-log.js';
export { planRecovery } from './plan-recovery.js';
export { addRecovery, type PlannedRecovery, recoveryFinding } from './recovery-log.js';
export { dropSlot } from './replication-slot.js';
