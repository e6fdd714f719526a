/** One measured case: `ratio` is ours ÷ theirs, or ours ÷ target where there is no peer. */
export interface BenchResult {
  case: string;
  ours: number;
  theirs?: number;
  unit: 's' | 'MB' | 'ms' | '%' | 'MB/s';
  /** What `theirs` is, with its version. */
  peer?: string;
  target: string;
  met: boolean | 'not measured';
  note?: string;
}

export function resultTable(results: BenchResult[]): string {
  const rows = results.map((result) => [
    result.case,
    amount(result.ours, result.unit),
    result.theirs === undefined ? '–' : `${amount(result.theirs, result.unit)} (${result.peer})`,
    result.theirs === undefined ? '–' : (result.ours / result.theirs).toFixed(2),
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

function amount(value: number, unit: BenchResult['unit']): string {
  return `${value >= 100 ? Math.round(value) : value.toFixed(2)} ${unit}`;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
