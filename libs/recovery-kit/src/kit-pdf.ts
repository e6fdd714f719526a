import { fileURLToPath } from 'node:url';
import { buffer } from 'node:stream/consumers';
import PdfDocument from 'pdfkit';
import { create as createQrCode } from 'qrcode';
import { RahatError } from '@rahat/contracts';
import { codeLine } from '@rahat/repository';
import { kitContents, type KitContents, type KitStep } from './kit-contents.js';
import { wrapCommand } from './wrap.js';
import type { KitSheet } from './kit.js';

const A4 = { width: 595.28, height: 841.89 };
const MARGIN = 46;
const WIDTH = A4.width - 2 * MARGIN;
const FOOTER_TOP = A4.height - 30;
const CONTENT_BOTTOM = FOOTER_TOP - 8;
const INK = '#14213d';
const GREY = '#5c677d';
const PAPER = '#f4f5f7';
const RED = '#b3261e';
const QR_SIZE = 148;
const GROUP_HEIGHT = 19;

/** Letters of every language that the product speaks, and digits that nobody takes for others. */
const FONTS = {
  text: '@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf',
  strong: '@expo-google-fonts/inter/700Bold/Inter_700Bold.ttf',
  code: '@expo-google-fonts/jetbrains-mono/500Medium/JetBrainsMono_500Medium.ttf',
  codeStrong: '@expo-google-fonts/jetbrains-mono/700Bold/JetBrainsMono_700Bold.ttf',
} as const;
type Font = keyof typeof FONTS;
/** Ligatures would make other signs of commands than those to be typed. */
const NO_LIGATURES: PDFKit.Mixins.TextOptions = { features: { liga: false, calt: false } as never };

/** The same sheet for a printer: A4, black on white but for its warning, fonts built in. Its text goes along, to be read again. */
export async function renderPdf(sheet: KitSheet, attached: { name: string; text: string }): Promise<Buffer> {
  return new KitPdf(sheet, kitContents(sheet)).render(attached);
}

class KitPdf {
  private readonly pdf: PDFKit.PDFDocument;

  constructor(
    private readonly sheet: KitSheet,
    private readonly contents: KitContents,
  ) {
    const { title, badge } = contents;
    this.pdf = new PdfDocument({
      size: 'A4',
      margins: { top: MARGIN, left: MARGIN, right: MARGIN, bottom: A4.height - CONTENT_BOTTOM },
      bufferPages: true,
      info: { Title: [title, badge].filter((part) => part !== undefined).join(', '), Creator: 'Rahat Backup', CreationDate: sheet.madeAt },
    });
    for (const [name, file] of Object.entries(FONTS)) this.pdf.registerFont(name, fileURLToPath(import.meta.resolve(file)));
  }

  async render(attached: { name: string; text: string }): Promise<Buffer> {
    for (const [, value] of this.contents.facts) this.refuseUnknownLetters(value);
    const bytes = buffer(this.pdf);
    this.header();
    this.warning();
    this.facts();
    this.key();
    for (const { title, steps } of this.contents.sections) this.section(title, steps);
    this.footers();
    this.pdf.file(Buffer.from(attached.text), { name: attached.name, type: 'text/plain' });
    this.pdf.end();
    return bytes;
  }

  private header(): void {
    const { title, badge, purpose } = this.contents;
    const { pdf } = this;
    pdf.rect(0, 0, A4.width, 68).fill(INK);
    this.write('strong', 9, '#ffffff', 'RAHAT BACKUP', MARGIN, 17, { characterSpacing: 1.5 });
    this.write('strong', 22, '#ffffff', title, MARGIN, 29);
    if (badge !== undefined) {
      const width = pdf.font('strong').fontSize(16).widthOfString(badge) + 28;
      pdf.roundedRect(A4.width - MARGIN - width, 19, width, 32, 6).fill('#ffffff');
      this.write('strong', 16, INK, badge, A4.width - MARGIN - width + 14, 26);
    }
    this.write('text', 10.5, INK, purpose, MARGIN, 78);
    pdf.y += 6;
  }

  private warning(): void {
    const { pdf } = this;
    const top = pdf.y;
    this.write('strong', 9.5, RED, this.contents.warning, MARGIN + 14, top + 7, { width: WIDTH - 28 });
    const bottom = pdf.y + 7;
    pdf
      .lineWidth(1.2)
      .roundedRect(MARGIN, top, WIDTH, bottom - top, 4)
      .stroke(RED);
    pdf.y = bottom + 10;
  }

  private facts(): void {
    for (const [name, value] of this.contents.facts) {
      const top = this.pdf.y;
      this.write('text', 9, GREY, name, MARGIN, top);
      this.write(this.codeFont(value), 9, INK, value, MARGIN + 86, top, { width: WIDTH - 86, ...NO_LIGATURES });
      this.pdf.y += 2;
    }
    this.pdf.y += 6;
  }

  private key(): void {
    const { pdf, sheet } = this;
    const { groups } = sheet.key;
    const { keyTitle, typing } = this.contents;
    const top = pdf.y;
    const height = 30 + Math.max(groups.length * GROUP_HEIGHT, QR_SIZE + 34) + 6;
    pdf.roundedRect(MARGIN, top, WIDTH, height, 6).fill(PAPER);
    this.write('strong', 12, INK, keyTitle, MARGIN + 18, top + 10);
    groups.forEach(({ characters, checkWord }, i) => {
      const y = top + 30 + i * GROUP_HEIGHT;
      this.write('text', 9, GREY, `${i + 1}.`, MARGIN + 18, y + 4, { width: 18, align: 'right' });
      this.write('codeStrong', 15, INK, characters, MARGIN + 46, y, NO_LIGATURES);
      this.write('code', 10, GREY, `(${checkWord})`, MARGIN + 156, y + 4, NO_LIGATURES);
    });
    const qrLeft = A4.width - MARGIN - 24 - QR_SIZE;
    const quiet = this.qrCode(codeLine(groups), qrLeft, top + 28);
    const caption = { width: QR_SIZE + 2 * quiet, align: 'center' } as const;
    this.write('text', 7.5, GREY, 'The same, to be scanned offline', qrLeft - quiet, top + 28 + QR_SIZE + quiet + 3, caption);
    this.write('text', 8, GREY, typing, MARGIN, top + height + 5, { width: WIDTH });
    pdf.y += 6;
  }

  /** Drawn as squares, so that it stays sharp at any size. Gives the width of the quiet zone, which readers need. */
  private qrCode(text: string, left: number, top: number): number {
    const { modules } = createQrCode(text, { errorCorrectionLevel: 'M' });
    const side = QR_SIZE / modules.size;
    const quiet = 4 * side;
    this.pdf.rect(left - quiet, top - quiet, QR_SIZE + 2 * quiet, QR_SIZE + 2 * quiet).fill('#ffffff');
    for (let row = 0; row < modules.size; row++) {
      for (let column = 0; column < modules.size; column++) {
        if (modules.get(row, column)) this.pdf.rect(left + column * side, top + row * side, side, side);
      }
    }
    this.pdf.fill('#000000');
    return quiet;
  }

  private section(title: string, steps: KitStep[]): void {
    const { pdf } = this;
    this.makeRoom(44);
    this.write('strong', 10.5, INK, title, MARGIN, pdf.y);
    pdf.y += 2;
    for (const { text, commands = [] } of steps) {
      this.makeRoom(26);
      const top = pdf.y;
      pdf.circle(MARGIN + 3, top + 5.5, 1.5).fill(INK);
      this.write('text', 8.5, INK, text, MARGIN + 12, top, { width: WIDTH - 12 });
      for (const command of commands) this.command(command);
      pdf.y += 3;
    }
    pdf.y += 3;
  }

  private command(command: string): void {
    const { pdf } = this;
    const options = { width: WIDTH - 28, ...NO_LIGATURES };
    const font = this.codeFont(command);
    const columns = Math.floor(options.width / pdf.font(font).fontSize(8).widthOfString('m'));
    const lines = wrapCommand(command, columns).join('\n');
    const height = pdf.heightOfString(lines, options) + 6;
    this.makeRoom(height + 3);
    const top = pdf.y + 2;
    pdf.roundedRect(MARGIN + 12, top, WIDTH - 12, height, 3).fill(PAPER);
    this.write(font, 8, INK, lines, MARGIN + 18, top + 3, options);
    pdf.y = top + height;
  }

  private footers(): void {
    const { pdf } = this;
    const { count } = pdf.bufferedPageRange();
    for (let page = 0; page < count; page++) {
      pdf.switchToPage(page);
      // Below the margin, where a text would begin a new page.
      pdf.page.margins.bottom = 0;
      const pages = count > 1 ? ` · page ${page + 1} of ${count}` : '';
      this.write('text', 7.5, GREY, `${this.contents.footer}${pages}`, MARGIN, FOOTER_TOP, { lineBreak: false });
    }
  }

  private makeRoom(height: number): void {
    if (this.pdf.y + height > CONTENT_BOTTOM) this.pdf.addPage();
  }

  /** A place with a letter missing would be another place. */
  private refuseUnknownLetters(text: string): void {
    for (const letter of text) {
      if (['code', 'text'].every((font) => !this.hasLetter(font as Font, letter)))
        throw new RahatError('invalid_input', `The fonts of the PDF have no letter "${letter}".`, {
          hint: 'Make the kit as text (.txt) instead.',
        });
    }
  }

  private hasLetter(font: Font, letter: string): boolean {
    const { _font } = this.pdf.font(font) as unknown as { _font: { font: { hasGlyphForCodePoint(point: number): boolean } } };
    return _font.font.hasGlyphForCodePoint(letter.codePointAt(0)!);
  }

  /** For what is typed again, letter by letter, where its font has them all. */
  private codeFont(text: string): Font {
    return [...text].every((letter) => this.hasLetter('code', letter)) ? 'code' : 'text';
  }

  private write(
    font: Font,
    size: number,
    colour: string,
    text: string,
    x: number,
    y: number,
    options: PDFKit.Mixins.TextOptions = {},
  ): void {
    this.pdf.font(font).fontSize(size).fillColor(colour).text(text, x, y, options);
  }
}
