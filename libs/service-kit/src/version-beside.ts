import { readFileSync } from 'node:fs';

/** The version in the package.json above a file of the package's sources or build; `main` is the file's `import.meta.url`. */
export function versionBeside(main: string): string {
  return (JSON.parse(readFileSync(new URL('../package.json', main), 'utf8')) as { version: string }).version;
}
