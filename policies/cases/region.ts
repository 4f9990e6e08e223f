// Decisions of `region` with the four places that the personal preset refuses.

import type { PolicyCase } from './case.ts';

const refused = { verdict: 'deny', code: 'region_restricted', clause: 'S3.1', link: '/terms' } as const;
const allowed = { verdict: 'allow' } as const;

export const deniedPlaces = ['CN', 'CN-HK', 'MO', 'TW'];

export const regionCases: readonly PolicyCase[] = [
  { name: "China's mainland", facts: { country: 'CN' }, expected: { ...refused, says: '(CN)' } },
  {
    name: 'Hong Kong, listed by its ISO 3166-2 code',
    facts: { country: 'HK' },
    expected: { ...refused, says: '(HK)' },
  },
  { name: 'Macao', facts: { country: 'MO' }, expected: { ...refused, says: '(MO)' } },
  { name: 'Taiwan', facts: { country: 'TW' }, expected: { ...refused, says: '(TW)' } },
  { name: 'a source that writes CN-TW', facts: { country: 'CN-TW' }, expected: { ...refused, says: '(TW)' } },
  {
    name: 'a source that writes a province',
    facts: { country: 'CN-GD' },
    expected: { ...refused, says: '(CN)' },
  },
  {
    name: 'a source that writes small letters',
    facts: { country: 'cn' },
    expected: { ...refused, says: '(CN)' },
  },
  {
    name: 'at the gate access',
    facts: { gate: 'access', country: 'CN', account: undefined },
    expected: refused,
  },
  {
    name: 'at the gate register',
    facts: { gate: 'register', country: 'HK', account: undefined },
    expected: refused,
  },
  { name: 'at the gate top-up', facts: { gate: 'top-up', country: 'MO' }, expected: refused },
  {
    name: 'no source could tell',
    facts: { country: 'unknown' },
    expected: { ...refused, says: 'could not be told' },
  },
  { name: 'XX', facts: { country: 'XX' }, expected: { ...refused, says: 'could not be told' } },
  {
    name: 'T1, the Tor network',
    facts: { country: 'T1' },
    expected: { ...refused, says: 'could not be told' },
  },
  {
    name: 'AP, which is no country',
    facts: { country: 'AP' },
    expected: { ...refused, says: 'could not be told' },
  },
  { name: 'nothing at all', facts: { country: '' }, expected: { ...refused, says: 'could not be told' } },
  {
    name: 'loopback and private networks',
    facts: { country: 'local', address: '127.0.0.1' },
    expected: allowed,
  },
  { name: 'Singapore', facts: { country: 'SG' }, expected: allowed },
  { name: 'Kosovo, a private-use code in common use', facts: { country: 'XK' }, expected: allowed },
];
