import { COLLECTION_SCENES } from './collection-scenes.js';
import { LOG_SCENES } from './log-scenes.js';
import type { Scene } from './scene.js';
import { TRASH_SCENES } from './trash-scenes.js';
import { WRITER_SCENES } from './writer-scenes.js';

/**
 * Situations in which the protocol's rules matter (repository.md §7, §8). Who, where and how long is chosen by the seed, so that
 * each is played in very many ways: what a rule forbids happens in some of them as soon as the rule is broken.
 */
export const SCENES: readonly Scene[] = [...WRITER_SCENES, ...TRASH_SCENES, ...COLLECTION_SCENES, ...LOG_SCENES];
