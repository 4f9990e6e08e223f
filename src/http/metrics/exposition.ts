// Prometheus' text format, version 0.0.4. A sample can only be written within its family, and texts are escaped: what a
// reader would refuse does not come out.

export type Labels = readonly (readonly [name: string, value: string])[];

export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
}

/** What a histogram is read from. Bounds ascend; one count more than bounds, not cumulative. */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

export const exposedType = 'text/plain; version=0.0.4; charset=utf-8';

const escapedHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

/** Backslash, quote and line feed are all that can end a value. */
const escapedValue = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** Between the braces, without them; empty values are left out, as to leave them out means the same. */
export const labelText = (labels: Labels): string =>
  labels
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${escapedValue(value)}"`)
    .join(',');

const withBraces = (text: string): string => (text === '' ? '' : `{${text}}`);
const joined = (left: string, right: string): string => (left === '' ? right : `${left},${right}`);

export class Exposition {
  readonly #lines: string[] = [];
  #family: Family | undefined;

  get lines(): number {
    return this.#lines.length;
  }

  family(family: Family): void {
    this.#family = family;
    this.#lines.push(`# HELP ${family.name} ${escapedHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`);
  }

  /** `labels` as `labelText` made it. A text is written as it is: a decimal number that must not be rounded. */
  sample(labels: string, value: number | string): void {
    this.#lines.push(`${this.#name}${withBraces(labels)} ${valueText(value)}`);
  }

  histogram(labels: string, { bounds, counts, sum }: Buckets): void {
    const name = this.#name;
    let below = 0;
    for (let index = 0; index <= bounds.length; index += 1) {
      below += counts[index] ?? 0;
      const bound = bounds[index];
      const edge = bound === undefined ? '+Inf' : String(bound);
      this.#lines.push(`${name}_bucket${withBraces(joined(labels, `le="${edge}"`))} ${below}`);
    }
    const braces = withBraces(labels);
    this.#lines.push(`${name}_sum${braces} ${valueText(sum)}`, `${name}_count${braces} ${below}`);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  get #name(): string {
    if (this.#family === undefined) throw new Error('a sample stands outside every family');
    return this.#family.name;
  }
}

function valueText(value: number | string): string {
  if (typeof value === 'string') return value;
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
