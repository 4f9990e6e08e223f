// Counting tokens, for the rare request whose bound by bytes does not fit the balance. The tokenizer's tables are
// large, so they are loaded on first need. The whole body is counted, braces and all: still an upper bound for text,
// and a tenth on top covers tokenizers that cut finer than this one.

const MARGIN = 1.1;

/** Most tokens that the body's text has, never more than `bound`. */
export async function countTokens(body: Uint8Array, bound: number): Promise<number> {
  const { countTokens: count } = await import('gpt-tokenizer/encoding/o200k_base');
  const text = new TextDecoder().decode(body);
  return Math.min(bound, Math.ceil(count(text, { disallowedSpecial: new Set() }) * MARGIN));
}
