import { kitContents } from './kit-contents.js';
import type { KitSheet } from './kit.js';
import { keyBlock } from './printed-keys.js';
import { wrap } from './wrap.js';

const WIDTH = 78;
const RULE = '='.repeat(WIDTH);

/** A sheet for a printer without graphics, or for a file; `readPrintedKeys` finds its key again. */
export function renderText(sheet: KitSheet): string {
  const { title, badge, purpose, warning, facts, keyTitle, typing, sections, footer } = kitContents(sheet);
  const nameWidth = Math.max(...facts.map(([name]) => name.length)) + 2;
  const heading = (text: string): string[] => ['', text.toUpperCase(), '-'.repeat(text.length)];
  const lines = [
    RULE,
    badge === undefined ? `RAHAT BACKUP  ${title.toUpperCase()}` : `RAHAT BACKUP  ${title.toUpperCase()}  ${badge.toUpperCase()}`,
    RULE,
    ...wrap(purpose, WIDTH),
    '',
    ...wrap(`!! ${warning}`, WIDTH, '   '),
    '',
    // Never wrapped: a place that is broken in two can't be copied.
    ...facts.map(([name, value]) => `${name.padEnd(nameWidth)}${value}`),
    ...heading(keyTitle),
    keyBlock(sheet.key.type === 'share' ? 'key-share' : 'recovery-key', sheet.key.groups),
    '',
    ...wrap(typing, WIDTH),
    ...sections.flatMap(({ title: sectionTitle, steps }) => [
      ...heading(sectionTitle),
      ...steps.flatMap(({ text, commands = [] }) => [...wrap(`* ${text}`, WIDTH, '  '), ...commands.map((command) => `    ${command}`)]),
    ]),
    '',
    RULE,
    footer,
  ];
  return `${lines.join('\n')}\n`;
}
