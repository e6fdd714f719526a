export const USUAL_SIZE_MB = 1000;

export interface BenchOptions {
  runs: number;
  /** Size of the sample data, in MB; `USUAL_SIZE_MB`, if not given and the case says nothing else. */
  sizeMb?: number;
  /** Under a minute, without peers: judges by this machine's own limits alone. */
  quick: boolean;
  /** Of the repositories that are opened and collected; 10 million, if not given. */
  chunks?: number;
  /** Of the simulation: how many, and the first seed. */
  schedules?: number;
  seed?: number;
  /** Of the suites that consist of cases: which ones; all, if not given. */
  cases?: string[];
  log(line: string): void;
}
