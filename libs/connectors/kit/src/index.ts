export * from './connector.js';
export * from './log.js';
export * from './decoder.js';
export { fullInstead } from './full-instead.js';
export { isOwnPath } from './own-path.js';
export { processStart } from './process-start.js';
export { bytesOfFiles, ensureRoom, inMegabytes } from './room.js';
export { runTool, type ToolCall, type ToolExit, type ToolRun } from './run-tool.js';
export type { LineClassifier } from './tool-messages.js';
