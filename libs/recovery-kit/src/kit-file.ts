/** Some programs write lines of their own before a PDF begins; readers look for its mark in as many bytes. */
const HEAD_BYTES = 1024;

/**
 * The text of a kit, or of a key alone, from a file as somebody saved it: a text, or the PDF that is printed. Told apart by what is
 * in it. Throws `invalid_input` where a PDF holds no kit.
 */
export async function readKitFile(file: Buffer): Promise<string> {
  if (!file.subarray(0, HEAD_BYTES).includes('%PDF-')) return file.toString('utf8');
  return (await import('./kit-pdf-text.js')).kitTextOfPdf(file);
}
