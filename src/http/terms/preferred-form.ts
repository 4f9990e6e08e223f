// Reads an accept header as far as terms need it: programs get JSON, who asks for Markdown gets that, and
// browsers get the same text as plain text, which they show instead of saving it.

export type Form = 'json' | 'markdown' | 'plain';

const forms: Readonly<Record<string, Form>> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'text/markdown': 'markdown',
  'text/*': 'markdown',
  'text/html': 'plain',
  'text/plain': 'plain',
};

/** Longer headers are no honest ones; they get JSON. */
const ACCEPT_LENGTH_MAX = 1_000;

/** The form with the highest quality; of equals the first. JSON if none is named. */
export function preferredForm(accept: string | null): Form {
  if (accept === null || accept.length > ACCEPT_LENGTH_MAX) return 'json';
  let best: { readonly form: Form; readonly quality: number } = { form: 'json', quality: 0 };
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const form = Object.hasOwn(forms, type) ? forms[type] : undefined;
    const given = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = given === undefined ? 1 : Number(given.slice(2));
    if (form !== undefined && quality > best.quality && quality <= 1) best = { form, quality };
  }
  return best.form;
}
