/** Far beyond any event of ours: whoever sends more is not who we think. */
const LONGEST_EVENT = 4 * 1024 * 1024;

export interface SourceEvent {
  type: string;
  /** JSON. */
  data: string;
  id?: string;
}

/** Server-sent events as our services write them: one line for each field. Comments only say that the stream lives. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<SourceEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    let begin = 0;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', begin)) {
      const event = eventIn(text.slice(begin, end));
      begin = end + 2;
      if (event) yield event;
    }
    text = text.slice(begin);
    if (text.length > LONGEST_EVENT) throw new RangeError('An event has no end.');
  }
}

function eventIn(block: string): SourceEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const [type, data] = [fields.get('event'), fields.get('data')];
  return type === undefined || data === undefined ? undefined : { type, data, id: fields.get('id') };
}
