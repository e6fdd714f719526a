import type { KitSheet } from './kit.js';
import { renderText } from './kit-text.js';

export const KIT_FORMATS = ['pdf', 'txt'] as const;
export type KitFormat = (typeof KIT_FORMATS)[number];
/** The name under which a PDF holds the kit as text. */
export const ATTACHED_TEXT = 'recovery-kit.txt';

/** The bytes of a file. What draws a PDF is loaded only for one. */
export async function renderKit(sheet: KitSheet, format: KitFormat): Promise<Buffer> {
  switch (format) {
    case 'txt':
      return Buffer.from(renderText(sheet));
    case 'pdf':
      return (await import('./kit-pdf.js')).renderPdf(sheet, { name: ATTACHED_TEXT, text: renderText(sheet) });
  }
}

/** `kit.pdf`, or `kit-2-of-5.pdf` for a share. */
export function sheetFileName({ key }: KitSheet, stem: string, format: KitFormat): string {
  return key.type === 'share' ? `${stem}-${key.number}-of-${key.count}.${format}` : `${stem}.${format}`;
}
