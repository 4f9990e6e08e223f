// Sends one body to a collector. Whatever the collector does (silence, redirects, endless replies), it ends within the
// deadline and costs a connection at most; what it says beside its status is not read.

/** `again`: the collector may take it later; `refused`: it never will. */
export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'again'; readonly because: string; readonly afterMs: number | undefined }
  | { readonly kind: 'refused'; readonly because: string };

export interface Destination {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export type SendBody = (body: Uint8Array<ArrayBuffer>) => Promise<SendOutcome>;

/** Statuses after which OTLP has a client try again. */
const again: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const WAIT_MAX_MS = 60_000;

export function createSender({ url, headers, timeoutMs }: Destination): SendBody {
  return async (body) => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/x-protobuf' },
        body,
        redirect: 'manual',
        proxy: false,
        decompress: false,
        signal: AbortSignal.timeout(timeoutMs),
      });
      void response.body?.cancel().catch(() => {});
      const { status } = response;
      if (status >= 200 && status < 300) return { kind: 'sent' };
      const because = `status ${status}`;
      return again.has(status)
        ? { kind: 'again', because, afterMs: waitOf(response.headers.get('retry-after')) }
        : { kind: 'refused', because };
    } catch (error) {
      return { kind: 'again', because: nameOf(error), afterMs: undefined };
    }
  };
}

function waitOf(text: string | null): number | undefined {
  if (text === null || !/^\d{1,6}$/.test(text)) return undefined;
  return Math.min(WAIT_MAX_MS, Number(text) * 1000);
}

/** The kind of error and no more: messages of connections have addresses in them, and headers might be. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
