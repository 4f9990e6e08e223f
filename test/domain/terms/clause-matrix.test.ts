// Clauses and controls: who keeps what, and which promise nobody keeps.

import { expect, test } from 'bun:test';
import {
  clauseMatrix,
  createControlRegistry,
  describeUnkept,
  policyControls,
  unkeptPromises,
} from '../../../src/domain/terms/clause-matrix.ts';
import { parseDocument } from '../../../src/domain/terms/parse-document.ts';
import { termsText } from './terms-text.ts';

const document = () => {
  const result = parseDocument(
    termsText({
      body: '## A1 One {enforced}\n\nX.\n\n## A2 Two {served}\n\nX.\n\n## A3 Three {declared}\n\nX.',
    }),
  );
  if (!result.parsed) throw new Error('the text does not parse');
  return result.document;
};

test('shows each clause with its controls, and finds promises without any', () => {
  const registry = createControlRegistry();
  registry.registerControls(policyControls([{ name: 'region', policy: { clauses: ['A1'] } }]));
  registry.registerControls([
    { control: 'control:limits', clauses: ['A1', 'Z9'] },
    { control: 'control:limits', clauses: ['A1'] },
  ]);
  const matrix = clauseMatrix([document()], registry);
  expect(matrix.map(({ clause, controls }) => [clause.id, controls])).toEqual([
    ['A1', ['policy:region', 'control:limits']],
    ['A2', []],
    ['A3', []],
  ]);
  const unkept = unkeptPromises(matrix);
  expect(unkept.map(({ clause }) => clause.id)).toEqual(['A2']);
  expect(unkept.map(describeUnkept)[0]).toMatch(
    /service 2026-01, clause A2 \(Two\) says "served" but no loaded control keeps it/,
  );
  registry.registerControls([{ control: 'endpoint:GET /terms/{document}', clauses: ['A2'] }]);
  expect(unkeptPromises(clauseMatrix([document()], registry))).toEqual([]);
  expect(registry.registrations()).toContainEqual({ control: 'control:limits', clauses: ['A1', 'Z9'] });
});

test('refuses a control that names nothing', () => {
  for (const control of ['region', 'policy:', 'endpoint:/terms', 'endpoint:FETCH /terms']) {
    expect(() => createControlRegistry().registerControls([{ control, clauses: [] }])).toThrow(
      'names no control',
    );
  }
});
