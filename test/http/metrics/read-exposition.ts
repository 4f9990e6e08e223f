// A strict reader of Prometheus' text format, version 0.0.4: what it returns without throwing, any scraper can read. It
// holds to what the format leaves open, too: one HELP and TYPE before the samples of a family, no family in two places,
// no sample twice, whole histograms, counters that end in _total.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** As it was written. */
  readonly text: string;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const VALUE = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/;
const SUFFIXES = ['_bucket', '_sum', '_count'] as const;

export function readExposition(text: string): ReadonlyMap<string, ReadFamily> {
  if (!text.endsWith('\n') || text.includes('\r'))
    throw new Error('the page does not end in a line feed, or has a return');
  const families = new Map<string, ReadFamily & { readonly samples: Sample[] }>();
  const seen = new Set<string>();
  let open: (ReadFamily & { readonly samples: Sample[] }) | undefined;
  let help: readonly [name: string, text: string] | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const refuse = (why: string): never => {
      throw new Error(`${why}: ${JSON.stringify(line)}`);
    };
    const comment = /^# (HELP|TYPE) (\S+) ([^]*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      if (!NAME.test(name)) refuse('no name');
      if (kind === 'HELP') {
        if (families.has(name)) refuse('a family in two places');
        if (!/^(?:[^\\]|\\[\\n])*$/.test(rest)) refuse('an escape that help does not have');
        help = [name, rest];
        continue;
      }
      if (help?.[0] !== name) refuse('a type without its help before it');
      if (!['counter', 'gauge', 'histogram'].includes(rest)) refuse('no type');
      if ((rest === 'counter') !== name.endsWith('_total')) refuse('a counter by type and not by name, or the reverse');
      open = { name, type: rest, help: help?.[1] ?? '', samples: [] };
      families.set(name, open);
      continue;
    }
    if (open === undefined) return refuse('a sample before any family');
    const sample = readSample(line);
    const base = open.type === 'histogram' ? SUFFIXES.map((suffix) => open?.name + suffix) : [open.name];
    if (!base.includes(sample.name)) refuse('a sample outside its family');
    const identity = JSON.stringify([sample.name, Object.entries(sample.labels).toSorted()]);
    if (seen.has(identity)) refuse('a sample twice');
    seen.add(identity);
    if (open.type !== 'gauge' && !(sample.value >= 0)) refuse('a counter below zero');
    open.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function readSample(line: string): Sample {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0] ?? '';
  let at = name.length;
  const labels: Record<string, string> = {};
  const refuse = (why: string): never => {
    throw new Error(`${why} at ${at}: ${JSON.stringify(line)}`);
  };
  if (name === '') refuse('no name');
  if (line[at] === '{') {
    at += 1;
    while (line[at] !== '}') {
      const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/.exec(line.slice(at));
      if (label === null) return refuse('no label');
      const [whole, key = '', value = ''] = label;
      if (key in labels) refuse('a label twice');
      labels[key] = value.replaceAll(/\\(.)/g, (_all, one: string) => (one === 'n' ? '\n' : one));
      at += whole.length;
      if (line[at] === ',' && line[at + 1] !== '}') at += 1;
      else if (line[at] !== '}') refuse('labels do not end');
    }
    at += 1;
  }
  const text = line.slice(at + 1);
  if (line[at] !== ' ' || !VALUE.test(text)) refuse('no value');
  return { name, labels, value: text.endsWith('Inf') ? Number(`${text}inity`) : Number(text), text };
}

function checkHistogram({ name, samples }: ReadFamily): void {
  const series = new Map<string, { edges: number[]; counts: number[]; sum: boolean; count?: number }>();
  for (const { name: of, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(Object.entries(rest).toSorted());
    const one = series.get(key) ?? { edges: [], counts: [], sum: false };
    series.set(key, one);
    if (of.endsWith('_bucket')) {
      one.edges.push(le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le));
      one.counts.push(value);
    } else if (le !== undefined) throw new Error(`${of} has an edge`);
    else if (of.endsWith('_sum')) one.sum = true;
    else one.count = value;
  }
  for (const [key, { edges, counts, sum, count }] of series) {
    const ascending = edges.every((edge, index) => index === 0 || edge > (edges[index - 1] ?? Number.NaN));
    const growing = counts.every((one, index) => index === 0 || one >= (counts[index - 1] ?? Number.NaN));
    const whole = edges.at(-1) === Number.POSITIVE_INFINITY && sum && count === counts.at(-1);
    if (!ascending || !growing || !whole) throw new Error(`${name}${key} is no whole histogram`);
  }
}
