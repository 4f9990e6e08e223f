// Where a certificate authority may be: its replies decide what we serve, so they must not be anybody's to change.

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What is wrong with a directory's address; undefined if nothing is. */
export function directoryProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return 'is not an address';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  if (url.protocol === 'https:') return undefined;
  return url.protocol === 'http:' && LOOPBACK.test(url.hostname)
    ? undefined
    : 'must be https, unless it is on loopback';
}
