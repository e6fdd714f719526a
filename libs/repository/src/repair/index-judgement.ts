/** What a segment says of each pack it names, by the pack's hash (`packStatement`). */
export type SegmentContent = { state: 'readable'; statements: Map<string, string> } | { state: 'unreadable'; message: string };

/** What the storage has under a pack's name. */
export type PackTruth =
  | { state: 'readable'; sizeBytes: number; statement: string }
  | { state: 'unreadable'; sizeBytes: number; message: string }
  | { state: 'gone' };

export interface IndexJudgement {
  /** Segments that can't stay, each with the reason. */
  replaced: { file: string; why: string }[];
  /** Packs that no segment that stays names, to be written into new ones. */
  rewritten: string[];
  /** Of these, the ones that no readable segment named before, or named wrongly. */
  added: string[];
  /** Named by a segment, and not in the storage. */
  missing: string[];
  /** Packs whose footer can't be read and that the index goes on to name. */
  keptUnreadable: Set<string>;
}

/** Pure: which segments tell the truth, and what is left to be said. A footer is believed before a segment. */
export function judgeIndex(segments: ReadonlyMap<string, SegmentContent>, truths: ReadonlyMap<string, PackTruth>): IndexJudgement {
  const replaced: IndexJudgement['replaced'] = [];
  const named = { rightly: new Set<string>(), bySegmentsThatStay: new Set<string>(), unreadable: new Set<string>() };
  const missing = new Set<string>();
  for (const [file, segment] of segments) {
    if (segment.state === 'unreadable') {
      replaced.push({ file, why: segment.message });
      continue;
    }
    const faults: string[] = [];
    for (const [pack, statement] of segment.statements) {
      const truth = truths.get(pack);
      if (truth === undefined || truth.state === 'gone') {
        missing.add(pack);
        faults.push(`It names pack ${pack}, which is missing.`);
      } else if (truth.state === 'unreadable') named.unreadable.add(pack);
      else if (truth.statement === statement) named.rightly.add(pack);
      else faults.push(`It says other things of pack ${pack} than the pack itself.`);
    }
    if (faults.length > 0)
      replaced.push({ file, why: faults.length === 1 ? faults[0]! : `${faults[0]!} ${faults.length - 1} more faults.` });
    else for (const pack of segment.statements.keys()) named.bySegmentsThatStay.add(pack);
  }
  const present = [...truths].filter(([, { state }]) => state === 'readable').map(([pack]) => pack);
  const speakable = [...present, ...named.unreadable];
  return {
    replaced,
    rewritten: speakable.filter((pack) => !named.bySegmentsThatStay.has(pack)),
    added: present.filter((pack) => !named.rightly.has(pack)),
    missing: [...missing],
    keptUnreadable: named.unreadable,
  };
}
