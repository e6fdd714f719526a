/** One measured case: `ratio` is ours ÷ theirs, or ours ÷ target where there is no peer. */
export interface BenchResult {
  case: string;
  ours: number;
  theirs?: number;
  unit: 's' | 'MB' | 'ms' | '%' | 'MB/s' | 'million/s';
  /** What `theirs` is, with its version. */
  peer?: string;
  /** Of the pairs measured in turn, where there are several; else ours ÷ theirs. */
  ratio?: RatioRange;
  target: string;
  met: boolean | 'not measured';
  note?: string;
}

export interface RatioRange {
  median: number;
  min: number;
  max: number;
}

export function resultTable(results: BenchResult[]): string {
  const rows = results.map((result) => [
    result.case,
    amount(result.ours, result.unit),
    result.theirs === undefined ? '–' : `${amount(result.theirs, result.unit)} (${result.peer})`,
    ratioText(result),
    result.target,
    result.met === true ? 'yes' : result.met === false ? 'NO' : 'not measured',
    result.note ?? '',
  ]);
  const all = [['case', 'ours', 'theirs', 'ratio', 'target', 'met', 'note'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function ratioText({ ours, theirs, ratio }: BenchResult): string {
  if (ratio) return `${ratio.median.toFixed(2)} [${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}]`;
  return theirs === undefined ? '–' : (ours / theirs).toFixed(2);
}

/** Of measurements taken in pairs, one after the other. */
export function ratioOf(ours: number[], theirs: number[]): RatioRange {
  const ratios = ours.map((value, i) => value / theirs[i]!);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

function amount(value: number, unit: BenchResult['unit']): string {
  return `${value >= 100 ? Math.round(value) : value.toFixed(2)} ${unit}`;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
