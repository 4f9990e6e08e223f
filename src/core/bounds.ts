// Everything has a limit, and the limits stand here with their reasons. Config may lower most of them.

const KIB = 1024;
const MIB = 1024 * KIB;

export const bounds = {
  /** A request body: the largest prompts of today (1 M tokens, images inlined) stay below. */
  requestBodyBytes: 32 * MIB,
  /** Nesting of a request's JSON: deeper bodies stall parsers (40,000 levels cost seconds). */
  requestDepth: 128,
  /** Keys in one request's JSON; a tool-heavy agent sends about 5,000. */
  requestKeys: 60_000,
  /** An admin or self-service body. */
  adminBodyBytes: 256 * KIB,
  /** A non-streamed reply: embeddings of a full batch in base64 are the largest honest ones. */
  replyBytes: 64 * MIB,
  /** One server-sent event; a larger one ends the stream as an upstream fault. */
  eventBytes: 20 * MIB,
  /** An event that may still be the terminal one or the usage one is kept back up to this size. */
  heldEventBytes: 64 * KIB,
  /** All bytes of one stream. */
  streamBytes: 512 * MIB,
  /** Nesting of JSON that is read as values: a recursive writer runs out of stack at some 30,000 levels. */
  parsedDepth: 10_000,
  /** An upstream's error body: only its head is read. */
  errorBodyBytes: 64 * KIB,
  /** Tries of one request, over all upstreams. */
  attemptsMax: 4,
  /** Share of requests that may be retries, in parts of a thousand, over the last ten seconds. */
  retryBudgetPerMille: 200,
  /** Longest model name that is looked up. */
  modelNameLength: 256,
  /** Rows on one page of a list, and when the caller names none. */
  pageSizeMax: 200,
  pageSizeDefault: 50,
  /** Names and reasons that people type. */
  nameLength: 200,
  textLength: 4_000,
  /** Header values that we read or reflect. */
  headerLength: 8 * KIB,
  /** Gateways that may pass a request on before it is taken for a loop. */
  hopsMax: 3,
} as const;

/** Deadlines of one request, in milliseconds. Each phase has its own: none is a guess about the whole. */
export const deadlines = {
  /** From the first byte of the request to the last of its body. */
  requestBodyMs: 60_000,
  /** From dialling to a connected (and, with TLS, verified) socket. */
  connectMs: 10_000,
  /** From the request being sent to the upstream's status line and headers. */
  responseHeadMs: 600_000,
  /** Longest silence inside a reply, pings and comments counted as bytes. */
  silenceMs: 300_000,
  /** Longest time in which a stream may carry no event but comments. */
  contentSilenceMs: 600_000,
  /** From the request being sent to the last byte of its reply. */
  totalMs: 3_600_000,
  /** How long a client may take no bytes while we have some for it. */
  clientStallMs: 120_000,
  /** How long open streams may run on after a shutdown was asked for. */
  drainMs: 30_000,
} as const;

/**
 * Of what is asked of an upstream beside generating, in milliseconds: nothing there has to think. All of it stays below
 * the server's own deadline for a connection that is quiet.
 */
export const asideDeadlines = { connectMs: 5_000, responseHeadMs: 20_000, silenceMs: 10_000, totalMs: 45_000 } as const;

export type Deadlines = { readonly [K in keyof typeof deadlines]: number };
