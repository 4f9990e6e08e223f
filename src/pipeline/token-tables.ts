// The tokenizer's tables, read from the file that OpenAI publishes them as: a line for each token, its bytes in base64
// and its rank. As a module they would be three megabytes of source that every start looks at; a file lies still.

/** By rank: text where the bytes are text, and the bytes themselves where a token ends within a character. */
export type TokenTables = (string | number[])[];

const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = '\ufeff';

export function readTokenTables(file: string): TokenTables {
  const tables: TokenTables = [];
  for (let start = 0; start < file.length;) {
    const blank = file.indexOf(' ', start);
    const lineEnd = file.indexOf('\n', blank);
    const end = lineEnd < 0 ? file.length : lineEnd;
    if (blank < 0) throw new Error('the tokenizer has tables of another form');
    const bytes = Buffer.from(file.slice(start, blank), 'base64');
    tables[Number(file.slice(blank + 1, end))] = textOrBytes(bytes);
    start = end + 1;
  }
  return tables;
}

function textOrBytes(bytes: Buffer): string | number[] {
  const text = bytes.toString('utf8');
  // The library keeps what begins with the mark as bytes, since its decoder would drop it.
  if (text.startsWith(BYTE_ORDER_MARK)) return [...bytes];
  // The replacement is also a character of its own.
  return text.includes(REPLACEMENT) && !Buffer.from(text).equals(bytes) ? [...bytes] : text;
}
