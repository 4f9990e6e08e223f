// Which bytes may stand in a header's name and value, for both directions.

const TOKEN = 1;
const TEXT = 2;

const KINDS = Uint8Array.from({ length: 256 }, (_, code) => {
  const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)) ? TOKEN : 0;
  return token | (code === 9 || (code >= 32 && code !== 127) ? TEXT : 0);
});

/** A byte of a header's name. */
export const isToken = (code: number): boolean => (KINDS[code]! & TOKEN) !== 0;

/** A byte of a header's value: no controls but the tab. */
export const isText = (code: number): boolean => (KINDS[code]! & TEXT) !== 0;
