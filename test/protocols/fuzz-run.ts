// A fuzz run by itself: so many seeds from a first one, up to five that are wrong.

/** What is wrong with the reading of the input that this seed makes; undefined if nothing is. */
export type FuzzOnce = (seed: number) => string | undefined;

export function wrongSeeds(fuzzOnce: FuzzOnce, first: number, count: number): readonly string[] {
  const wrong: string[] = [];
  for (let seed = first; seed < first + count && wrong.length < 5; seed++) {
    const found = fuzzOnce(seed);
    if (found !== undefined) wrong.push(found);
  }
  return wrong;
}

/** Arguments: how many, and the first seed. Prints what is wrong, and fails the process by it. */
export function fuzzFromArguments(fuzzOnce: FuzzOnce, usualCount: number): void {
  const [count = usualCount, first = 1] = process.argv.slice(2).map(Number);
  const begun = performance.now();
  const wrong = wrongSeeds(fuzzOnce, first, count);
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  console.log([...wrong, `${count} inputs, ${wrong.length} wrong, ${seconds} s`].join('\n'));
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
