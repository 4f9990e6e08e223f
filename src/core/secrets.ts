// Credentials of our own making: their format, their hashes, and how they are kept out of logs. Invariant:
// what is stored or printed is a hash or a hint; the credential itself is seen once, by the one it is for.

import { cutForms, readers, writtenForms } from './secret-forms.ts';

/** `length` bytes nobody can foresee; handed in so that tests are repeatable. */
export type RandomBytes = (length: number) => Uint8Array;

export const systemRandomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

/** `api-key` opens /v1, `operator-key` opens the admin API: neither does the other's work. */
export type KeyKind = 'api-key' | 'operator-key';

const PREFIX: Readonly<Record<KeyKind, string>> = { 'api-key': 'tg_', 'operator-key': 'tgo_' };
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 190 bits: nobody guesses one, and a fast hash is enough to store it. */
const RANDOM_DIGITS = 32;
/** 62^6 is above 2^32, so every CRC-32 fits. */
const CHECKSUM_DIGITS = 6;
const API_KEY_LENGTH = PREFIX['api-key'].length + RANDOM_DIGITS + CHECKSUM_DIGITS;
const OPERATOR_KEY_LENGTH = PREFIX['operator-key'].length + RANDOM_DIGITS + CHECKSUM_DIGITS;

/**
 * Largest multiple of 62 in a byte: bytes from there on are thrown away, so that every digit is equally
 * likely.
 */
const FAIR_BYTES = 248;

/** Value of a base62 digit by character code; -1 for any other character. */
const DIGIT_VALUE = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));

/**
 * Makes a key: prefix, random digits, checksum. The caller shows it once and keeps `sha256Hex` and `hintOf`
 * of it.
 */
export function generateKey(kind: KeyKind, randomBytes: RandomBytes): string {
  const body = PREFIX[kind] + randomDigits(randomBytes);
  return body + checksumOf(body);
}

function randomDigits(randomBytes: RandomBytes): string {
  let digits = '';
  for (let round = 0; round < 16; round++) {
    for (const byte of randomBytes(RANDOM_DIGITS * 2)) {
      if (byte >= FAIR_BYTES) continue;
      digits += ALPHABET[byte % 62];
      if (digits.length === RANDOM_DIGITS) return digits;
    }
  }
  throw new Error('the source of random bytes is broken: it gives nearly no byte below 248');
}

function checksumOf(body: string): string {
  let rest = Bun.hash.crc32(body);
  let digits = '';
  for (let index = 0; index < CHECKSUM_DIGITS; index++) {
    digits = (ALPHABET[rest % 62] ?? '0') + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/**
 * What kind of key this text is by its form and checksum, without any lookup; undefined for everything else.
 * Says nothing of whether the key exists. The form is public: nothing is learned from how long this takes.
 */
export function checkKeyFormat(text: string): KeyKind | undefined {
  let kind: KeyKind;
  if (text.length === API_KEY_LENGTH && text.startsWith(PREFIX['api-key'])) kind = 'api-key';
  else if (text.length === OPERATOR_KEY_LENGTH && text.startsWith(PREFIX['operator-key']))
    kind = 'operator-key';
  else return undefined;
  const checksumStart = text.length - CHECKSUM_DIGITS;
  let checksum = 0;
  for (let index = PREFIX[kind].length; index < text.length; index++) {
    const value = DIGIT_VALUE[text.charCodeAt(index)];
    if (value === undefined || value < 0) return undefined;
    if (index >= checksumStart) checksum = checksum * 62 + value;
  }
  return checksum === Bun.hash.crc32(text.slice(0, checksumStart)) ? kind : undefined;
}

/** Lower-case hex SHA-256: what keys are stored and looked up by, whole, never by a part of them. */
export function sha256Hex(text: string | Uint8Array): string {
  return Bun.SHA256.hash(text, 'hex');
}

/** For people to tell keys apart: the prefix and the last four characters. */
export function hintOf(key: string): string {
  return `${key.slice(0, key.indexOf('_') + 1)}...${key.slice(-4)}`;
}

/** Compares two secrets in a time that depends on neither, whatever their lengths. */
export function secretsEqual(left: string, right: string): boolean {
  return crypto.timingSafeEqual(Bun.SHA256.hash(left), Bun.SHA256.hash(right));
}

/**
 * Cuts credentials out of text that goes to logs: by their form, and by the values that are live in this
 * process.
 */
export interface Redactor {
  /**
   * From now on this value is cut out, in upper or lower case, as it is and as JSON, URLs, hexadecimal digits and
   * base64 write it. Returns how to forget it.
   */
  register(value: string): () => void;
  redact(text: string): string;
}

const REDACTED = '[redacted]';

/**
 * A shorter value would be cut out of ordinary words. Whoever configures one should be told to choose
 * another.
 */
export const REDACTABLE_LENGTH_MIN = 6;

/** Escapes within escapes that are looked through. */
const LAYERS_MAX = 3;

export function createRedactor(): Redactor {
  const registrations = new Map<string, number>();
  let live: RegExp | undefined;

  const compile = () => {
    const forms = new Set([...registrations.keys()].flatMap(writtenForms));
    const longestFirst = [...forms].toSorted((left, right) => right.length - left.length);
    live =
      longestFirst.length === 0
        ? undefined
        : new RegExp(longestFirst.map((form) => RegExp.escape(form)).join('|'), 'gi');
  };
  const cut = (text: string): string => cutForms(live === undefined ? text : text.replace(live, REDACTED));
  /** What shows only once escapes are read; undefined if nothing does. It is kept as it was read. */
  const cutBehindEscapes = (text: string, layersMax: number): string | undefined => {
    if (layersMax === 0) return undefined;
    for (const read of readers) {
      const plain = read(text);
      if (plain === text) continue;
      const cleaned = cut(plain);
      const deeper = cutBehindEscapes(cleaned, layersMax - 1);
      if (deeper !== undefined || cleaned !== plain) return deeper ?? cleaned;
    }
    return undefined;
  };
  return {
    register(value) {
      if (value.length < REDACTABLE_LENGTH_MIN) return () => {};
      registrations.set(value, (registrations.get(value) ?? 0) + 1);
      compile();
      let forgotten = false;
      return () => {
        if (forgotten) return;
        forgotten = true;
        const others = (registrations.get(value) ?? 1) - 1;
        if (others === 0) registrations.delete(value);
        else registrations.set(value, others);
        compile();
      };
    },
    redact(text) {
      const clean = cut(text);
      return cutBehindEscapes(clean, LAYERS_MAX) ?? clean;
    },
  };
}
