// What must be known of a source before the bundler sees it. The bundler runs macros while it parses, and does not say
// which type an import asks for.

/** Every escape that a string literal may have. */
const escapes = /\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(\r\n|[\s\S]))/g;

/**
 * Whether any string literal is, or begins like, the name of a macro. The whole text is looked at with its escapes
 * resolved, so that no spelling, comment or template hides one; a text that only speaks of macros in quotes is refused
 * with the rest.
 */
export function runsMacros(source: string): boolean {
  const plain = source.replaceAll(
    escapes,
    (_, code?: string, four?: string, two?: string, octal?: string, single?: string) => {
      const hexadecimal = code ?? four ?? two;
      if (hexadecimal !== undefined) return characterOf(Number.parseInt(hexadecimal, 16));
      if (octal !== undefined) return characterOf(Number.parseInt(octal, 8));
      return single === undefined || /^[\r\n\u2028\u2029]/.test(single) ? '' : single;
    },
  );
  return /["'`]macro["'`:]/.test(plain);
}

const characterOf = (code: number): string => (code <= 0x10_ff_ff ? String.fromCodePoint(code) : '');

const attribute = /\bfrom\s*("(?:[^"\\\n]|\\.)*")\s*with\s*\{\s*type:\s*("(?:[^"\\\n]|\\.)*")\s*,?\s*\}/g;

/**
 * The imports that ask for a type, out of the transpiler's own spelling of them: comments are gone there, and strings
 * have one form.
 */
export function importAttributes(
  source: string,
  loader: Bun.Loader,
): readonly { readonly specifier: string; readonly type: string }[] {
  if (!/\b(?:with|assert)\b/.test(source)) return [];
  const spelled = new Bun.Transpiler({ loader: loader as 'ts', target: 'bun' }).transformSync(source);
  return [...spelled.matchAll(attribute)].map(([, specifier = '""', type = '""']) => ({
    specifier: String(JSON.parse(specifier)),
    type: String(JSON.parse(type)),
  }));
}
