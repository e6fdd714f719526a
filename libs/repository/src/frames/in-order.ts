/** What `work` gives for each item, in the items' order, with up to `parallel` of them under way. */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  parallel: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  for (const item of items) {
    const result = work(item);
    // Seen when its turn comes; one that nobody awaits any more must not end the process.
    result.catch(() => undefined);
    underWay.push(result);
    if (underWay.length >= parallel) yield await underWay.shift()!;
  }
  for (const result of underWay) yield await result;
}
