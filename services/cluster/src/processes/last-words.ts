import { readFileSync } from 'node:fs';

/** What a process wrote last before it gave up, as one sentence. */
export function lastWords(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  for (const line of lines.toReversed()) {
    const entry = parsed(line);
    if (entry?.level === 'fatal') return [entry.msg, entry.hint].filter(Boolean).join('. ');
  }
  return lines.at(-1) ?? 'it says nothing';
}

function parsed(line: string): { level?: string; msg?: string; hint?: string } | undefined {
  try {
    return JSON.parse(line) as { level?: string; msg?: string; hint?: string };
  } catch {
    return undefined;
  }
}
