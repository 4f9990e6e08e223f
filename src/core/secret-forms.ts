// What secrets look like in a text: forms that are credentials wherever they stand, and the ways in which other
// programs write a value that is known to be one. Every expression takes time in proportion to the text.

const REDACTED = '[redacted]';

/** Names of fields that hold one. */
const NAMES = [
  'api[-_]?key',
  'client[-_]secret',
  'secret(?:[-_]access)?[-_]key',
  'access[-_]token',
  'refresh[-_]token',
  'password',
  'passwd',
].join('|');

/**
 * Cut-off ones too, so that a shortened line leaks no half of a key. No quantifier stands before or inside another over
 * the same characters, and what could begin anywhere is bounded.
 */
const FORMS: readonly (readonly [form: RegExp, replacement: string])[] = [
  // Private keys, also where their end was cut off.
  [/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:(?!-----END)[^])*(?:-----END [A-Z0-9 ]{0,40}-----)?/g, REDACTED],
  // Ours, and those of vendors by their prefixes.
  [/(tgo?_)[0-9A-Za-z]{8,}/gi, `$1${REDACTED}`],
  [/\b(sk|rk|pk)-[0-9A-Za-z_-]{12,}/gi, `$1-${REDACTED}`],
  [/\b([sr]k_(?:live|test)_)[0-9A-Za-z]{8,}/gi, `$1${REDACTED}`],
  [/\b(AIza)[0-9A-Za-z_-]{16,}/gi, `$1${REDACTED}`],
  [/\b(AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,}/g, `$1${REDACTED}`],
  [/\b(gh[opsur]|github_pat|glpat|hf|gsk|r8)([-_])[0-9A-Za-z_-]{16,}/gi, `$1$2${REDACTED}`],
  [/\b(xai|xox[abeprs])-[0-9A-Za-z-]{10,}/gi, `$1-${REDACTED}`],
  [/\b(ya29)\.[0-9A-Za-z_-]{16,}/gi, `$1.${REDACTED}`],
  // Signed tokens: a JSON head in base64url, with what follows it.
  [/\beyJ[0-9A-Za-z_-]{6,}(?:\.[0-9A-Za-z_-]*){0,4}/g, REDACTED],
  // By the words before them.
  [/\b(bearer|basic)(\s{1,8}|%20|\+)[^\s"'\\,;&]{6,}/gi, `$1$2${REDACTED}`],
  [/([?&](?:api[-_]?key|key|access_token|token|sig|signature|x-amz-signature)=)[^\s"'\\&#]+/gi, `$1${REDACTED}`],
  [
    new RegExp(`(?<![0-9A-Za-z])((?:${NAMES})["']?\\s{0,4}[:=]\\s{0,4}["']?)[^\\s"'\\\\,;&]{6,}`, 'gi'),
    `$1${REDACTED}`,
  ],
  // Addresses with a name and a password in them.
  [/(:\/\/)[^\s/?#@"'\\]{1,200}@/g, `$1${REDACTED}@`],
];

/** Every form has one of these in it: most texts have none, and are not looked at form by form. */
const HINT = new RegExp(
  [
    '-----BEGIN|tgo?_|[srp]k[-_]|AIza|A(?:KIA|SIA|BIA|CCA)|eyJ|ya29|xai-|xox',
    'gh[opsur][-_]|github_pat|glpat|(?:hf|gsk|r8)[-_]|bearer|basic|[?&:]|key|secret|token|passw',
  ].join('|'),
  'i',
);

/** Cuts out what looks like a credential. */
export function cutForms(text: string): string {
  if (!HINT.test(text)) return text;
  let clean = text;
  for (const [form, replacement] of FORMS) clean = clean.replace(form, replacement);
  return clean;
}

/** The texts in which a value may stand: as it is, as JSON, URLs and hexadecimal digits, and inside base64. */
export function writtenForms(value: string): readonly string[] {
  const sound = value.toWellFormed();
  const bytes = Buffer.from(sound);
  return [
    value,
    JSON.stringify(sound).slice(1, -1),
    encodeURIComponent(sound),
    bytes.toString('hex'),
    ...base64Forms(bytes),
  ];
}

/** In base64 a value looks different by how many bytes stand before it; what its neighbours share is left out. */
function base64Forms(bytes: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((before) => {
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    const form = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(first, end);
    return [form, form.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

const JSON_ESCAPES = /\\u([0-9a-f]{4})|\\(["\\/bfnrt])/gi;
const PERCENT_ESCAPES = /(?:%[0-9a-f]{2})+/gi;
const CONTROLS: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Each takes one layer of the escapes of JSON or of URLs off, wherever they stand in a text. */
export const readers: readonly ((text: string) => string)[] = [
  (text) =>
    text.replace(JSON_ESCAPES, (_whole, unit?: string, control = '') =>
      unit === undefined
        ? (CONTROLS[control.toLowerCase()] ?? control)
        : String.fromCharCode(Number.parseInt(unit, 16)),
    ),
  (text) => text.replace(PERCENT_ESCAPES, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString()),
];
