// What an error body says of itself, in whichever of the vendors' forms. Total: never throws.

/** What the body says of itself, lower-case; empty where it says nothing. */
export interface StatedError {
  readonly code: string;
  readonly type: string;
  readonly message: string;
}

const silent: StatedError = { code: '', type: '', message: '' };

function lower(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : typeof value === 'number' ? String(value) : '';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

export function statedError(body: string): StatedError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return silent; // HTML, nothing, or a head cut at its bound: the status alone decides
  }
  const error = member(parsed, 'error') ?? parsed;
  // xAI: words alone, with a code beside them.
  if (typeof error === 'string')
    return { ...silent, code: lower(member(parsed, 'code')), message: error.toLowerCase() };
  return {
    code: lower(member(error, 'code')),
    // Google's word stands in `status`.
    type: lower(member(error, 'type') ?? member(error, 'status')),
    // Voyage's word stands in `detail`.
    message: lower(member(error, 'message') ?? member(error, 'detail')),
  };
}
