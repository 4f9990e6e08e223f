// Where in its files a config says something: `gateway.config.ts:42`. Only the forms are here; `parse-config-lines.ts`
// finds the places, and is loaded when somebody asks.

import type { DeclaredNoun } from '../core/declared-at.ts';
import type { ConfigProblem } from './schema.ts';

/** A file of the config's own, as it was read. */
export interface ConfigSource {
  /** Relative to the config's folder; shown to people. */
  readonly path: string;
  readonly text: string;
}

export interface ConfigLines {
  placeOf(noun: DeclaredNoun, name: string): string | undefined;
  /** Of a problem's path, or of the nearest thing around it that has a place: `models[2].price.rates.input`. */
  placeOfPath(path: string): string | undefined;
}

export const noLines: ConfigLines = { placeOf: () => undefined, placeOfPath: () => undefined };

/** Places as data: of a config that is compiled in, found when it was built. */
export type ConfigLinesTable = Readonly<
  Partial<
    Record<
      DeclaredNoun,
      {
        readonly named: Readonly<Record<string, string>>;
        /** Of what has no place of its own: where code makes such entries, or their list. */
        readonly other?: string | undefined;
      }
    >
  >
>;

export const linesOfTable = (table: ConfigLinesTable): ConfigLines => ({
  placeOf(noun, name) {
    const places = table[noun];
    return places !== undefined && Object.hasOwn(places.named, name) ? places.named[name] : places?.other;
  },
  // What is compiled in was resolved when it was built: nothing is wrong with it that has a place.
  placeOfPath: () => undefined,
});

/** Problems that know their place keep it. */
export const placedProblems = (problems: readonly ConfigProblem[], lines: ConfigLines): readonly ConfigProblem[] =>
  problems.map((problem) => ({ ...problem, declaredAt: problem.declaredAt ?? lines.placeOfPath(problem.path) }));

/** One line for people: `models[2].price: … (gateway.config.ts:61)`. */
export const describeProblem = ({ path, message, declaredAt }: ConfigProblem): string =>
  `${path}: ${message}${declaredAt === undefined ? '' : ` (${declaredAt})`}`;
