/** What a person sees on the terminal; everything else goes to the log files. */
export interface HumanConsole {
  line(text?: string): void;
  done(text: string, remark?: string): void;
  /** Something to act on; names the command. */
  attention(text: string, remark?: string): void;
  failed(text: string): void;
}

const REMARK_COLUMN = 58;

export function openConsole(write: (text: string) => void): HumanConsole {
  const marked = (mark: string) => (text: string, remark?: string) =>
    write(`  ${mark} ${remark ? `${text.padEnd(REMARK_COLUMN - 4)}  ${remark}` : text}\n`);
  return {
    line: (text = '') => write(`${text}\n`),
    done: marked('✓'),
    attention: marked('!'),
    failed: marked('✗'),
  };
}
