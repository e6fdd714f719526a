import type { Director } from './director.js';

export interface Scene {
  /** What goes on, in a few words. */
  name: string;
  listings?: 'lag';
  /** Time during which a removal can be undone. */
  undo?: 'long';
  /** Far less than the content needs. */
  memory?: 'tiny';
  /** What it begins with besides old backups. */
  past?: 'logs';
  play(director: Director): Promise<void>;
}
