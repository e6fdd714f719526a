import { inflateSync } from 'node:zlib';

/** The texts of each page of a PDF that pdfkit made, as a reader would copy them, one line for each that was drawn. */
export function pdfPages(file: Buffer): string[][] {
  const objects = new Map<string, string>();
  for (const [, number, body] of file.toString('latin1').matchAll(/^(\d+) 0 obj\n([^]*?)\nendobj/gm)) objects.set(number!, body!);
  const pages = [...objects.values()].filter((body) => /\/Type \/Page\n/.test(body));
  return pages.map((page) => {
    const fonts = new Map([...fontsOf(page, objects)].map(([name, font]) => [name, lettersOf(objects.get(font)!, objects)]));
    return linesOf(streamOf(objects.get(referenceTo('Contents', page)!)!), fonts);
  });
}

function linesOf(content: string, fonts: ReadonlyMap<string, string[]>): string[] {
  const lines: string[] = [];
  let letters: string[] = [];
  for (const [, font, array] of content.matchAll(/\/(F\d+) [\d.]+ Tf|\[([^\]]*)\] TJ/g)) {
    if (font) letters = fonts.get(font)!;
    else lines.push([...array!.matchAll(/<([0-9a-f]+)>/g)].map(([, glyphs]) => spell(glyphs!, letters)).join(''));
  }
  return lines;
}

function spell(glyphs: string, letters: string[]): string {
  return glyphs
    .match(/.{4}/g)!
    .map((glyph) => letters[Number.parseInt(glyph, 16)])
    .join('');
}

function fontsOf(page: string, objects: ReadonlyMap<string, string>): Map<string, string> {
  const resources = objects.get(referenceTo('Resources', page)!)!;
  const dictionary = /\/Font <<([^]*?)>>/.exec(resources)![1]!;
  return new Map([...dictionary.matchAll(/\/(F\d+) (\d+) 0 R/g)].map(([, name, number]) => [name!, number!]));
}

/** By the number of the glyph in the embedded font. */
function lettersOf(font: string, objects: ReadonlyMap<string, string>): string[] {
  const map = streamOf(objects.get(referenceTo('ToUnicode', font)!)!);
  return [...map.matchAll(/\[([^\]]*)\]/g)].flatMap(([, codes]) =>
    [...codes!.matchAll(/<([^>]*)>/g)].map(([, code]) => Buffer.from(code!.replaceAll(' ', ''), 'hex').swap16().toString('utf16le')),
  );
}

function referenceTo(name: string, body: string): string | undefined {
  return new RegExp(`/${name} (\\d+) 0 R`).exec(body)?.[1];
}

function streamOf(body: string): string {
  const bytes = Buffer.from(/stream\n([^]*)\nendstream/.exec(body)![1]!, 'latin1');
  return (/FlateDecode/.test(body) ? inflateSync(bytes) : bytes).toString('latin1');
}
