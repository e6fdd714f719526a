import type { Director } from './director.js';

export interface Scene {
  /** What goes on, in a few words. */
  name: string;
  listings?: 'lag';
  /** Time during which a removal can be undone. */
  undo?: 'long';
  play(director: Director): Promise<void>;
}
