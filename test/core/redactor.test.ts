// What a redactor finds: credentials by their form, and live values however another program wrote them. In time that
// grows with the text and not with its square, because texts come from outside.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createLog } from '../../src/core/log.ts';
import { createRedactor, generateKey, systemRandomBytes } from '../../src/core/secrets.ts';

const canary = 'Kq7ZpW3xV9mT2rB8nL4cJ6hG';
/** Written in pieces, so that no scanner of sources takes a test for a leak. */
const credentials: Readonly<Record<string, string>> = {
  'an API key': generateKey('api-key', systemRandomBytes),
  'an operator key': generateKey('operator-key', systemRandomBytes),
  'a key of OpenAI': `sk-${canary}`,
  'a project key of OpenAI': `sk-proj-${canary}_${canary}`,
  'a key of Anthropic': `sk-${'ant'}-api03-${canary}-${canary}`,
  'a key of Google': `AIza${canary}${canary}`.slice(0, 39),
  'a key of xAI': `xai-${canary}${canary}`,
  'a key of Groq': `gsk_${canary}${canary}`,
  'a token of a hub': `hf_${canary}`,
  'a live key of a payment processor': `sk_${'live'}_${canary}`,
  'an access key of AWS': `AKIA${canary
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '')
    .slice(0, 16)}`,
  'a secret key of AWS': `aws_secret_access_key = ${canary}/${canary}`,
  'a signed token': `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${canary}`,
  'a bearer token': `Authorization: Bearer ${canary}`,
  'a basic credential': `authorization: basic ${canary}==`,
  'a key in a query': `https://vendor.example/v1beta/models?key=${canary}&alt=sse`,
  'a password in an address': `postgres://tollgate:${canary}@db.example:5432/tollgate`,
  'a password in JSON': `{"password":"${canary}"}`,
  'a private key': `-----BEGIN RSA PRIVATE KEY-----\n${canary}\n${canary}\n-----END RSA PRIVATE KEY-----`,
  'a private key that was cut off': `-----BEGIN PRIVATE KEY-----\n${canary}`,
};

describe('credentials by their form', () => {
  test.each(Object.entries(credentials))('%s', (_name, credential) => {
    const { redact } = createRedactor();
    for (const text of [
      credential,
      `upstream said: ${credential} is wrong`,
      JSON.stringify({ detail: credential }),
      JSON.stringify(JSON.stringify({ detail: credential })),
      encodeURIComponent(credential),
    ]) {
      const clean = redact(text);
      expect(clean).toContain('[redacted]');
      expect(clean).not.toContain(canary.slice(0, 12));
      expect(clean).not.toContain(canary.slice(-12));
    }
  });

  test('ordinary words stay', () => {
    const { redact } = createRedactor();
    for (const text of [
      'the ledger cannot be written (ENOSPC: no space left on device, write)',
      'gpt-4o-mini at https://api.openai.com/v1/chat/completions answered 503 after 1204 ms',
      'request req_01a22420ebf271c4b1131bc45bc3cb0e of acc_01a2241f8e69740797cce2ce101145c2',
      'asia-northeast1, task-based, pk_usage_records, key_0193, 100%, C:\\temp\\new, "quoted \\"text\\""',
      'tokens: 500000, max_tokens = 1234567890',
    ]) {
      expect(redact(text)).toBe(text);
    }
  });
});

/** Characters that programs escape, one way or another. */
const secretText = fc
  .array(fc.constantFrom(...'abcXYZ019"\\/+=&%$ é漢-_.:{}[]#?'), { minLength: 12, maxLength: 40 })
  .map((characters) => `q7Z${characters.join('')}w3X`);

const jsonUnits = (text: string): string =>
  Array.from({ length: text.length }, (_, index) => text.charCodeAt(index))
    .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
    .join('');
const percentAll = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const writings: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'in JSON': (text) => JSON.stringify({ text }),
  'in JSON in JSON': (text) => JSON.stringify({ body: JSON.stringify({ text }) }),
  'in JSON that escapes every slash': (text) => JSON.stringify(text).replaceAll('/', '\\/'),
  'in JSON that escapes every character': (text) => `"${jsonUnits(text)}"`,
  'in JSON that escapes its first half': (text) =>
    `"${jsonUnits(text.slice(0, 8))}${JSON.stringify(text.slice(8)).slice(1)}`,
  'in a URL': (text) => encodeURIComponent(text),
  'in a URL, every byte': (text) => percentAll(text),
};

describe('live values', () => {
  test.each(Object.entries(writings))('%s', (_name, write) => {
    fc.assert(
      fc.property(secretText, fc.boolean(), fc.string({ maxLength: 20 }), (secret, upper, before) => {
        const { register, redact } = createRedactor();
        register(secret);
        const said = upper ? secret.toUpperCase() : secret;
        const clean = redact(`${before.replaceAll(/[\\%]/g, '')} ${write(said)} after`);
        expect(clean).toContain('[redacted]');
        expect(clean).not.toContain(said.slice(3, -3));
      }),
      { numRuns: 60 },
    );
  });

  test('inside base64, wherever they stand in it', () => {
    fc.assert(
      fc.property(secretText, fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), (secret, before, after) => {
        const { register, redact } = createRedactor();
        register(secret);
        for (const encoding of ['base64', 'base64url'] as const) {
          const clean = redact(Buffer.from(`${before}${secret}${after}`).toString(encoding));
          expect(clean).toContain('[redacted]');
          expect(Buffer.from(clean.replace('[redacted]', ''), encoding).toString()).not.toContain(secret.slice(2, -2));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('in hexadecimal digits', () => {
    const { register, redact } = createRedactor();
    register(canary);
    const digits = Buffer.from(canary).toString('hex');
    expect(redact(`a ${digits} b ${digits.toUpperCase()}`)).toBe('a [redacted] b [redacted]');
  });

  test('with half of a surrogate pair, which no URL can write', () => {
    const { register, redact } = createRedactor();
    expect(() => register('secret-\ud800-value')).not.toThrow();
    expect(redact('a secret-\ud800-value')).toBe('a [redacted]');
  });
});

test('no line of a log holds a secret, whatever the field and the event', () => {
  fc.assert(
    fc.property(secretText, fc.constantFrom(...Object.values(writings)), (secret, write) => {
      const { register, redact } = createRedactor();
      register(secret);
      const lines: string[] = [];
      const log = createLog({ now: () => 0, monotonicMs: () => 0 }, (line) => void lines.push(line), redact);
      log.error(write(secret), { detail: `x ${write(secret)}`, other: 'plain' });
      const entry: unknown = JSON.parse(lines[0] ?? '');
      expect(entry).toMatchObject({ level: 'error', other: 'plain' });
      expect(Object(entry)['detail']).toContain('[redacted]');
      expect(lines.join('')).not.toContain(secret.slice(3, -3));
      expect(JSON.stringify(Object(entry)['event'])).not.toContain(secret.slice(3, -3));
    }),
    { numRuns: 100 },
  );
});

test('lines below the level are not made', () => {
  const said = (least: 'info' | 'warn' | 'error') => {
    const lines: string[] = [];
    const log = createLog({ now: () => 0, monotonicMs: () => 0 }, (line) => void lines.push(line), String, least);
    log.info('a');
    log.warn('b');
    log.error('c');
    return lines.map((line) => String(Object(JSON.parse(line))['event'])).join('');
  };
  expect([said('info'), said('warn'), said('error')]).toEqual(['abc', 'bc', 'c']);
});

describe('time grows with the text', () => {
  const pieces = [
    'eyJ-',
    'eyJa.',
    'sk-',
    'bearer ',
    'password=',
    'password: "',
    '://a',
    '?key=',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN ',
    '%41',
    '\\u0041',
    '\\\\',
    'AKIA',
    'ghp_',
    'xai-',
    'tg_',
    'a',
    ' ',
    '%5c',
  ];
  test.each(pieces)('of %p', (piece) => {
    const { register, redact } = createRedactor();
    register(canary);
    const text = piece.repeat(Math.ceil(32_000 / piece.length));
    const timeOf = (): number => {
      const startedMs = performance.now();
      redact(text);
      return performance.now() - startedMs;
    };
    // A few milliseconds; quadratic, it would be most of a second. Of three, the one that nothing came between.
    expect(Math.min(timeOf(), timeOf(), timeOf())).toBeLessThan(150);
  });
});
