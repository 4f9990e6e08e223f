// The shipped documents promise what this release keeps, and the README is honest about the rest.

import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { describePolicy } from 'tollgate/conformance';
import type { PluginEntry, PresetConfig } from 'tollgate/plugin';
import defaultTerms from '../../policies/default-terms.md' with { type: 'text' };
import personal from '../../policies/personal/preset.ts';
import platform from '../../policies/platform/preset.ts';
import {
  clauseMatrix,
  createControlRegistry,
  describeUnkept,
  policyControls,
  unkeptPromises,
} from '../../src/domain/terms/clause-matrix.ts';
import { builtInControls } from '../../src/domain/terms/controls.ts';
import { parseDocuments } from '../../src/domain/terms/terms-service.ts';

const plain: PresetConfig = {
  summary: 'none',
  terms: [{ file: 'policies/default-terms.md', text: defaultTerms }],
  policies: [],
};
const presets: Readonly<Record<string, PresetConfig>> = { plain, personal, platform };

/**
 * Every clause of the two services that is not in a document must be named as missing, and the other way
 * round.
 */
const allClauses: Readonly<Record<string, string>> = {
  personal: 'S0 S1.1 S1.2 S1.3 S2.1 S2.2 S2.3 S3.1 S3.2 S3.3 S4 S5.1 S5.2 S5.3 S5.4 S6 S7',
  platform:
    'P0 P1.1 P1.2 P1.3 P2.1 P2.2 P2.3 P2.4 P3.1 P3.2 P4.1 P4.2 P4.3 P5.1 P5.2 P5.3 ' +
    'P6 P7.1 P7.2 P8.1 P8.2 P9.1 P9.2 P9.3 P9.4 P10 P11.1 P11.2 P11.3',
};

/** Those that ship are no drop-ins. */
const policiesOf = (preset: PresetConfig): readonly PluginEntry<'policy'>[] =>
  preset.policies.filter((policy) => policy.kind === 'policy');

function loadedControls(preset: PresetConfig) {
  const registry = createControlRegistry();
  registry.registerControls(builtInControls);
  registry.registerControls(
    policyControls(
      policiesOf(preset).map((entry) => ({ name: entry.name, policy: entry.create(entry.options) })),
    ),
  );
  return registry;
}

for (const [name, preset] of Object.entries(presets)) {
  describe(`documents of ${name}`, () => {
    const documents = parseDocuments(preset.terms);

    test('parse, each in the language and from the date that it names', () => {
      expect(documents.length).toBe(preset.terms.length);
      for (const document of documents) expect(document.effectiveAt).toBe(Date.parse(document.version));
    });

    test('promise nothing that no control keeps', () => {
      expect(unkeptPromises(clauseMatrix(documents, loadedControls(preset))).map(describeUnkept)).toEqual([]);
    });

    test('are found out when nothing is loaded', () => {
      const promises = documents
        .flatMap((document) => document.clauses)
        .filter((clause) => clause.kind !== 'declared');
      expect(promises.length).toBeGreaterThan(0);
      expect(unkeptPromises(clauseMatrix(documents, createControlRegistry())).length).toBe(promises.length);
    });

    test('policies refuse only with clauses that stand in a document', () => {
      const ids = documents.flatMap((document) => document.clauses.map((clause) => clause.id));
      for (const entry of policiesOf(preset))
        for (const clause of entry.create(entry.options).clauses) expect(ids).toContain(clause);
    });
  });
  for (const entry of policiesOf(preset)) describePolicy(entry);
}

describe('policies/README.md', async () => {
  const readme = await Bun.file(join(import.meta.dir, '../../policies/README.md')).text();
  for (const [name, ids] of Object.entries(allClauses)) {
    test(`names exactly the clauses of ${name} that are in no document`, () => {
      const written = parseDocuments(presets[name]?.terms ?? []).flatMap((document) =>
        document.clauses.map((clause) => clause.id),
      );
      const letter = ids.charAt(0);
      const missing = [...readme.matchAll(/^\| ([SP]\d[\d.]*) \|/gm)]
        .map((row) => row[1] ?? '')
        .filter((id) => id.startsWith(letter));
      expect([...written, ...missing].toSorted()).toEqual(ids.split(' ').toSorted());
    });
  }
});
