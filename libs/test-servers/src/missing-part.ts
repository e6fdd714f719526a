/** A server or tool that tests need is not on this machine; the message says which, and what brings it. */
export class MissingPart extends Error {
  constructor(part: string) {
    super(`${part} is not on this machine. Run \`npm test\` once as root: its set-up installs it.`);
    this.name = 'MissingPart';
  }
}

/**
 * Whether a suite that needs `part` should run. With CI=true it always should, so that a missing part fails
 * instead of hiding; else the reason of the skip is said once per suite.
 */
export function runsWith(part: string, present: boolean): boolean {
  if (present || process.env['CI'] === 'true') return true;
  process.stderr.write(`skipped: ${new MissingPart(part).message}\n`);
  return false;
}
