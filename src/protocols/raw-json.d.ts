// ECMAScript's "JSON.parse source text access", which the engine has and the compiler's library has not yet.

interface RawJson {
  readonly rawJSON: string;
  readonly [other: string]: string;
}

interface JSON {
  /** A value that `JSON.stringify` writes as this text: of a number, a string, `true`, `false` or `null`. */
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
  /** `source`: the text of a value that is no object and no list. */
  parse<Value>(
    text: string,
    reviver: (key: string, value: Value, context: { readonly source?: string }) => Value,
  ): Value;
}
