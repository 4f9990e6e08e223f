// A certificate authority's "no": what it means for the next try. Its words are shown to the operator, cut short.

export interface AcmeRefusal {
  readonly status: number;
  /** The last part of the problem's type: `rateLimited`, `badNonce`, `unauthorized`. */
  readonly type: string;
  /** In its own words, one line, without control characters. */
  readonly detail: string;
  /** As the header said, a date or seconds; undefined without one. */
  readonly retryAfter: string | undefined;
}

const DETAIL_LENGTH = 300;
/** Authorities ask for hours at most for what a person could not clear up; a date in the next century is none. */
const WAIT_MAX_MS = 7 * 86_400_000;

export function refusalOf(status: number, retryAfter: string | null, data: unknown): AcmeRefusal {
  const problem = typeof data === 'object' && data !== null ? data : {};
  const type = 'type' in problem && typeof problem.type === 'string' ? problem.type : '';
  const detail = 'detail' in problem && typeof problem.detail === 'string' ? problem.detail : '';
  return {
    status,
    type: /^urn:ietf:params:acme:error:([A-Za-z]{1,40})$/.exec(type)?.[1] ?? 'unknown',
    detail: oneLine(detail),
    retryAfter: retryAfter ?? undefined,
  };
}

// oxlint-disable-next-line no-control-regex
export const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, DETAIL_LENGTH);

/** Milliseconds that the authority wants us to wait: seconds or a date (RFC 9110 section 10.2.3). */
export function waitMs(retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined) return 0;
  const wanted = /^\d{1,12}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - now;
  return Number.isNaN(wanted) ? 0 : Math.max(0, Math.min(wanted, WAIT_MAX_MS));
}
