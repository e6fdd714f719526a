import { readFile } from 'node:fs/promises';

/** What a server calls its process that replays log (`set_ps_display` in xlogrecovery.c and xlog.c), since version 10. */
const STARTUP = /^postgres: .*startup\s+(?:recovering|waiting for) ([0-9A-F]{24})/;

/** Which segment of its log a server that doesn't take connections yet has come to. Undefined where it replays none, or the system doesn't show it. */
export async function replayedSegment(server: number | undefined): Promise<string | undefined> {
  if (server === undefined) return undefined;
  const children = await text(`/proc/${server}/task/${server}/children`);
  for (const child of children.split(' ').filter(Boolean)) {
    const segment = STARTUP.exec(await text(`/proc/${child}/cmdline`))?.[1];
    if (segment !== undefined) return segment;
  }
  return undefined;
}

async function text(file: string): Promise<string> {
  // A process that has just ended, or a system without /proc, shows nothing.
  return (await readFile(file, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
}
