/** Lines of at most `columns` signs, broken at spaces; those after the first begin with `indent`. */
export function wrap(text: string, columns: number, indent = ''): string[] {
  return join(text.split(' '), { columns, indent, end: '' });
}

/** A shell command over several lines that can be typed as they stand: never broken inside of a quotation. */
export function wrapCommand(command: string, columns: number): string[] {
  return join(command.match(/(?:'[^']*'|[^\s'])+/g) ?? [], { columns, indent: '    ', end: ' \\' });
}

function join(words: string[], { columns, indent, end }: { columns: number; indent: string; end: string }): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length + end.length > columns) {
      lines.push(`${line}${end}`);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
