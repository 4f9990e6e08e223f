// The Host header, checked before anything is routed. Elysia looks for the path from a fixed offset of the URL, so a
// short or odd host would shift it onto another route; and a name that we do not know may be somebody's rebinding.

export type HostVerdict = 'ok' | 'invalid' | 'unknown';

/** Verified values that are remembered, so that the usual request costs one look-up. */
const REMEMBERED_MAX = 256;
const PORT_MAX = 65_535;
const SHAPE = /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::\d{1,5})?$/i;

/**
 * Allowed are address literals (no name, nothing to rebind), `localhost`, and the names given. Shorter than four
 * characters, a list, or a shape that is no host at all is `invalid`.
 */
export function createHostCheck(names: readonly string[]): (host: string | null) => HostVerdict {
  const allowed = new Set(['localhost', ...names.map((name) => name.toLowerCase())]);
  const remembered = new Set<string>();
  return (host) => {
    if (host === null) return 'invalid';
    if (remembered.has(host)) return 'ok';
    if (host.length < 4 || host.length > 260 || !SHAPE.test(host)) return 'invalid';
    const port = /:(\d{1,5})$/.exec(host);
    if (port !== null && Number(port[1]) > PORT_MAX) return 'invalid';
    const name = (port === null ? host : host.slice(0, port.index)).toLowerCase();
    if (!isLiteral(name) && !allowed.has(name)) return 'unknown';
    if (remembered.size < REMEMBERED_MAX) remembered.add(host);
    return 'ok';
  };
}

/**
 * An address as it is written plainly, of a name that has the shape: brackets hold digits, colons and dots alone, and
 * end it. `node:net` could tell too, and would bring streams along into every process.
 */
function isLiteral(name: string): boolean {
  if (name.startsWith('[')) return URL.canParse(`http://${name}`);
  return /^\d+(?:\.\d+){3}$/.test(name) && URL.parse(`http://${name}`)?.hostname === name;
}

/** Paths that could mean one thing to a guard and another to a router: refused before either sees them. */
const ODD_PATH = /\/\/|\\|;|\/\.{1,2}(?:\/|$)|%00|%5c|%2e/i;

/** Path of an absolute URL without its query. Undefined if the URL is not absolute or the path is ambiguous. */
export function pathOf(url: string): string | undefined {
  const scheme = url.startsWith('http://') ? 7 : url.startsWith('https://') ? 8 : -1;
  if (scheme < 0) return undefined;
  const start = url.indexOf('/', scheme);
  if (start < 0) return undefined;
  const query = url.indexOf('?', start);
  const path = query < 0 ? url.slice(start) : url.slice(start, query);
  return ODD_PATH.test(path) ? undefined : path;
}
