// Envelope encryption of secrets that must be read again, such as the credentials of upstreams. Each secret is sealed
// with a random key of its own, and that key with the master key; both are bound to the place where they are stored.
// Invariant: what is stored opens only with the master key that sealed it, in the very field that it was sealed for.

import type { KeyObject } from 'node:crypto';
import type { RandomBytes } from './secrets.ts';

/** A master key, or what it sealed, is missing or wrong. The message is for the person at the terminal. */
export class MasterKeyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MasterKeyError';
  }
}

export interface MasterKey {
  /** Tells keys apart without saying anything of them: the key-check value. It stands on everything that it sealed. */
  readonly id: string;
  /** Prints as nothing. */
  readonly secret: KeyObject;
}

/** Where a secret is stored. Moved anywhere else, it does not open. */
export interface SecretPlace {
  readonly table: string;
  readonly recordId: string;
  readonly field: string;
}

/** Loaded by the first who seals or opens something: most starts do neither. */
const nodeCrypto = () => process.getBuiltinModule('node:crypto');

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_DIGITS = 16;
const FORM = 'v1';

/** As it stands in a file or in the environment: base64. */
export function newMasterKeyText(randomBytes: RandomBytes): string {
  return Buffer.from(randomBytes(KEY_BYTES)).toString('base64');
}

/** Reads base64 of 32 bytes. Throws MasterKeyError, which names `source` and never the text. */
export function readMasterKey(text: string, source: string): MasterKey {
  const bytes = Buffer.from(text, 'base64');
  // Lenient decoding skips what is not base64: only text that says the same again was a key.
  const canonical = bytes.toString('base64').replace(/=+$/, '');
  const given = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  if (bytes.length !== KEY_BYTES || canonical !== given) {
    throw new MasterKeyError(
      `${source} must be base64 of ${KEY_BYTES} random bytes; \`openssl rand -base64 32\` makes one`,
    );
  }
  const { createHmac, createSecretKey } = nodeCrypto();
  const secret = createSecretKey(bytes);
  const id = createHmac('sha256', secret).update('tollgate master key check').digest('hex').slice(0, KEY_ID_DIGITS);
  return { id, secret };
}

/** The secret as text that can be stored: form, id of the master key, wrapped data key, ciphertext. */
export function seal(master: MasterKey, place: SecretPlace, secret: string, randomBytes: RandomBytes): string {
  const bound = boundData(place, master.id);
  const dataKey = randomBytes(KEY_BYTES);
  const wrapped = encrypt(master.secret, bound, dataKey, randomBytes);
  const payload = encrypt(nodeCrypto().createSecretKey(dataKey), bound, Buffer.from(secret, 'utf8'), randomBytes);
  dataKey.fill(0);
  return [FORM, master.id, wrapped.toString('base64url'), payload.toString('base64url')].join('.');
}

/** Throws MasterKeyError if this is another key's, another place's, or was altered. */
export function unseal(master: MasterKey, place: SecretPlace, sealed: string): string {
  const [form, keyId, wrapped, payload, ...rest] = sealed.split('.');
  const whole =
    form === FORM && keyId !== undefined && wrapped !== undefined && payload !== undefined && rest.length === 0;
  if (!whole) throw damaged(place);
  if (keyId !== master.id) {
    throw new MasterKeyError(`the ${nameOf(place)} was sealed with master key ${keyId}, and this one is ${master.id}`);
  }
  const bound = boundData(place, keyId);
  try {
    const dataKey = decrypt(master.secret, bound, Buffer.from(wrapped, 'base64url'));
    return decrypt(nodeCrypto().createSecretKey(dataKey), bound, Buffer.from(payload, 'base64url')).toString('utf8');
  } catch {
    throw damaged(place);
  }
}

/** Id of the master key that sealed it; undefined for text that was never sealed. */
export function sealedWith(sealed: string): string | undefined {
  const [form, keyId] = sealed.split('.');
  return form === FORM ? keyId : undefined;
}

const nameOf = ({ table, recordId, field }: SecretPlace) => `${field} of ${table} ${recordId}`;

const damaged = (place: SecretPlace) =>
  new MasterKeyError(
    `the ${nameOf(place)} does not open: it was altered or moved; enter it again, or restore a backup`,
  );

function boundData(place: SecretPlace, keyId: string): Buffer {
  const parts = [place.table, place.recordId, place.field, keyId];
  if (parts.some((part) => part === '' || part.includes('|')))
    throw new RangeError('a place of a secret has no empty part and no bar');
  return Buffer.from(parts.join('|'), 'utf8');
}

function encrypt(key: KeyObject, bound: Buffer, plain: Uint8Array, randomBytes: RandomBytes): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = nodeCrypto().createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(bound);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, bound: Buffer, stored: Buffer): Buffer {
  if (stored.length < NONCE_BYTES + TAG_BYTES) throw new RangeError('too short');
  const decipher = nodeCrypto().createDecipheriv(CIPHER, key, stored.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(bound);
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES));
  return Buffer.concat([decipher.update(stored.subarray(NONCE_BYTES, stored.length - TAG_BYTES)), decipher.final()]);
}
