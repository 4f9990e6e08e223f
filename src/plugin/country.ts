// Country codes as sources and operators write them, brought to the one form in which policies compare them.
// What names no single country is `unknown`, so that a policy's verdict for the unknown covers it.

import type { Country } from './policy.ts';

/** ISO 3166-2 codes under CN whose places have an alpha-2 code of their own, letters and digits alike. */
const ownCode: Readonly<Record<string, Country>> = {
  'CN-HK': 'HK',
  'CN-MO': 'MO',
  'CN-TW': 'TW',
  'CN-91': 'HK',
  'CN-92': 'MO',
  'CN-71': 'TW',
};

/**
 * Two capitals that are no country: XX and ZZ (unknown), A1 to O1 style codes fail the pattern below, AP and
 * EU (regions), AA and QM to QZ and XA to XZ are for private use, of which only XK (Kosovo) is in common use.
 */
const NO_COUNTRY = /^(?:AA|AP|EU|ZZ|Q[M-Z]|X[A-JL-Z])$/;

const ALPHA_2 = /^[A-Z]{2}$/;

/**
 * The country of a code: alpha-2 in any case, or an ISO 3166-2 code (`CN-HK` is `HK`, `US-CA` is `US`).
 * `local` and `unknown` stay; whatever else comes, T1 (Tor) included, is `unknown`.
 */
export function countryOfCode(code: string): Country {
  if (code === 'local' || code === 'unknown') return code;
  if (code.length > 6) return 'unknown';
  const capitals = code.toUpperCase();
  const country = ownCode[capitals] ?? (/^[A-Z]{2}-[A-Z0-9]{1,3}$/.test(capitals) ? capitals.slice(0, 2) : capitals);
  return ALPHA_2.test(country) && !NO_COUNTRY.test(country) ? country : 'unknown';
}
