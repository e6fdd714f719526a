const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function bytes(value: number): string {
  let unit = 0;
  let amount = value;
  while (amount >= 1000 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`;
}

export function age(instant: string | null, now = Date.now()): string {
  if (instant === null) return '–';
  const seconds = Math.round((now - Date.parse(instant)) / 1000);
  const [amount, unit] = largestUnit(Math.abs(seconds));
  return seconds >= 0 ? `${amount} ${unit} ago` : `in ${amount} ${unit}`;
}

export function duration(seconds: number): string {
  return largestUnit(seconds).join(' ');
}

function largestUnit(seconds: number): [number, string] {
  if (seconds < 90) return [seconds, 's'];
  if (seconds < 90 * 60) return [Math.round(seconds / 60), 'min'];
  if (seconds < 36 * 3600) return [Math.round(seconds / 3600), 'h'];
  return [Math.round(seconds / 86_400), 'days'];
}

/** Columns padded to their widest cell; control characters of names are shown escaped, so that a name can't repaint the terminal. */
export function table(head: string[], rows: string[][]): string {
  const clean = [head, ...rows].map((row) => row.map(visible));
  const widths = head.map((_, column) => Math.max(...clean.map((row) => row[column]!.length)));
  return clean
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function visible(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
