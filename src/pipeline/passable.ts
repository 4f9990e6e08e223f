// Whether an upstream's body may be passed on: it is JSON, and does not repeat the credential that only we know.

/** As it is, and as JSON writes it. */
export function repeats(body: Uint8Array, secret: string | undefined): boolean {
  if (secret === undefined) return false;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return bytes.includes(secret) || bytes.includes(JSON.stringify(secret).slice(1, -1));
}

/** A web page is none. */
export function isJson(body: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(body));
    return true;
  } catch {
    return false;
  }
}
