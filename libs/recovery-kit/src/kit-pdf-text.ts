import { extractTextItems, getDocumentProxy } from 'unpdf';
import { RahatError } from '@rahat/contracts';
import { FACT } from './kit-repository.js';
import { ATTACHED_TEXT } from './render-kit.js';

/** A kit has one page or two; other files shall not be searched through for long. */
const MAX_PAGES = 20;
const TYPE_IT = 'Type the key from it with --with recovery-key (or shares) and --path, or give the kit as text.';
const SHARE_TITLE = /^Share \d+ of \d+$/;
const END_OF_KEY = /^-+ END /m;
/** What stands beside it on the page may follow in the same line. */
const GROUP = /^\d{1,2}\. *[^\s()]+ *\([^\s()]+\)/;

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;

/**
 * What a kit's PDF says, in the form of its text. The text is attached to it, letter by letter; where it is not, because another program
 * printed the PDF into a new one, what its pages show. Throws `invalid_input`.
 */
export async function kitTextOfPdf(file: Buffer): Promise<string> {
  const pdf = await opened(file);
  try {
    const attached = await attachedText(pdf);
    return attached !== undefined && END_OF_KEY.test(attached) ? attached : textOfLines(await linesOf(pdf));
  } catch (error) {
    throw error instanceof RahatError ? error : damaged(error);
  } finally {
    await pdf.loadingTask.destroy();
  }
}

async function opened(file: Buffer): Promise<Pdf> {
  try {
    // Its bytes are taken over, and Node's small buffers share theirs with others.
    return await getDocumentProxy(new Uint8Array(file), { verbosity: 0 });
  } catch (error) {
    if ((error as Error).name !== 'PasswordException') throw damaged(error);
    throw new RahatError('invalid_input', 'The PDF is protected by a password.', { hint: TYPE_IT, cause: error });
  }
}

async function attachedText(pdf: Pdf): Promise<string | undefined> {
  const attachments = await pdf.getAttachments();
  if (!attachments?.has(ATTACHED_TEXT)) return undefined;
  const content = await pdf.getAttachmentContent(ATTACHED_TEXT);
  return content ? Buffer.from(content).toString('utf8') : undefined;
}

async function linesOf(pdf: Pdf): Promise<string[]> {
  if (pdf.numPages > MAX_PAGES) throw noKit();
  const { items } = await extractTextItems(pdf);
  const text = items.flatMap((page) => [...page.map(({ str, hasEOL }) => (hasEOL ? `${str}\n` : str)), '\n']).join('');
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length > 0) return lines;
  throw new RahatError('invalid_input', 'The PDF holds no text: it is a scan or a picture, or it is damaged.', { hint: TYPE_IT });
}

function textOfLines(lines: string[]): string {
  const groups = lines.flatMap((line) => GROUP.exec(line)?.[0] ?? []);
  if (groups.length === 0) throw noKit();
  const name = lines.some((line) => SHARE_TITLE.test(line)) ? 'SHARE' : 'RECOVERY KEY';
  return [...facts(lines), `------ BEGIN ${name} ------`, ...groups, `------ END ${name} ------`].join('\n');
}

/** A place that was broken into lines is left out: whether there was a space can't be seen. */
function facts(lines: string[]): string[] {
  const [place, id] = [FACT.place, FACT.id].map((name) => lines.findIndex((line) => line.startsWith(`${name} `))) as [number, number];
  if (id < 0) return [];
  const known = place >= 0 && id === place + 1 ? [place, id] : [id];
  const names = new Map([
    [place, FACT.place],
    [id, FACT.id],
  ]);
  return known.map((at) => `${names.get(at)!}  ${lines[at]!.slice(names.get(at)!.length).trim()}`);
}

function noKit(): RahatError {
  return new RahatError('invalid_input', 'The PDF is not a recovery kit.', {
    hint: 'Give the file that `rahat-backup repository kit` made.',
  });
}

function damaged(cause: unknown): RahatError {
  return new RahatError('invalid_input', 'The PDF is damaged or cut off.', { hint: TYPE_IT, cause });
}
