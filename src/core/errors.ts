// The closed table of errors that Tollgate itself reports: a stable code, a status, and whether a client should
// try again. Public text is written by the step that fails; private detail travels apart and is only logged.

export const errorTable = {
  invalid_request: { status: 400, type: 'invalid_request_error', retry: false },
  ambiguous_credentials: { status: 400, type: 'invalid_request_error', retry: false },
  invalid_host: { status: 400, type: 'invalid_request_error', retry: false },
  unauthenticated: { status: 401, type: 'authentication_error', retry: false },
  forbidden: { status: 403, type: 'permission_error', retry: false },
  policy_refused: { status: 403, type: 'permission_error', retry: false },
  account_restricted: { status: 403, type: 'permission_error', retry: false },
  model_not_allowed: { status: 403, type: 'permission_error', retry: false },
  not_found: { status: 404, type: 'not_found_error', retry: false },
  model_not_found: { status: 404, type: 'not_found_error', retry: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retry: false },
  conflict: { status: 409, type: 'invalid_request_error', retry: false },
  body_too_large: { status: 413, type: 'invalid_request_error', retry: false },
  encoding_unsupported: { status: 415, type: 'invalid_request_error', retry: false },
  unknown_host: { status: 421, type: 'invalid_request_error', retry: false },
  config_refused: { status: 422, type: 'invalid_request_error', retry: false },
  idempotency_mismatch: { status: 422, type: 'invalid_request_error', retry: false },
  upgrade_required: { status: 426, type: 'invalid_request_error', retry: false },
  terms_required: { status: 428, type: 'permission_error', retry: false },
  rate_limited: { status: 429, type: 'rate_limit_error', retry: true },
  concurrency_limited: { status: 429, type: 'rate_limit_error', retry: true },
  budget_exhausted: { status: 429, type: 'insufficient_quota', retry: false },
  insufficient_balance: { status: 429, type: 'insufficient_quota', retry: false },
  region_restricted: { status: 451, type: 'permission_error', retry: false },
  internal_error: { status: 500, type: 'api_error', retry: true },
  upstream_failed: { status: 502, type: 'api_error', retry: true },
  no_upstream: { status: 503, type: 'api_error', retry: true },
  money_unavailable: { status: 503, type: 'api_error', retry: true },
  shutting_down: { status: 503, type: 'api_error', retry: true },
  upstream_timeout: { status: 504, type: 'api_error', retry: true },
  storage_full: { status: 507, type: 'api_error', retry: false },
  loop_detected: { status: 508, type: 'invalid_request_error', retry: false },
} as const satisfies Record<string, { status: number; type: string; retry: boolean }>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorDetails {
  /** Sent to the caller. Names the field, the limit and the remedy; holds no secret and no other tenant's data. */
  readonly message: string;
  /** The request's field or header at fault, as a path: `messages[2].content`. */
  readonly field?: string;
  /** The clause of a terms document that refuses, with where to read or accept it. */
  readonly clause?: string;
  readonly link?: string;
  /** Seconds after which a retry makes sense. Only for codes whose `retry` is true. */
  readonly retryAfterSeconds?: number;
  /** All that is wrong with the config, a problem for each place. Only for operators. */
  readonly problems?: readonly {
    readonly path: string;
    readonly message: string;
    readonly declaredAt?: string | undefined;
  }[];
  /** Logged with the request id, never sent. */
  readonly detail?: string;
}

/** The one error that steps throw. Anything else that is thrown is a defect and answers `internal_error`. */
export class TollgateError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message);
    this.name = 'TollgateError';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return errorTable[this.code].status;
  }
}
