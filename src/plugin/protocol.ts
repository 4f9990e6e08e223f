// Protocol: one wire format as the pipeline needs it: what a request says, what a reply or a stream says, how an error
// looks. Readers look at bytes beside the relay and never change them, save for what is named here.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import type { Codec, Dialect } from './codec.ts';
import type { Operation, ProtocolName } from './operations.ts';

/** Half-open range of bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How the events of a stream are framed. `json-array`: as elements of one array, as Gemini's without `alt=sse`. */
export type StreamFraming = 'sse' | 'json-array';

/** What a request says outside its body. Protocols that say all of it in the body find `undefined` here. */
export interface RequestLine {
  /** From the path, decoded. */
  readonly model: string | undefined;
  /** From the path's verb. */
  readonly stream: boolean | undefined;
  readonly framing: StreamFraming;
}

/** For protocols that say everything in the body. */
export const plainLine: RequestLine = { model: undefined, stream: undefined, framing: 'sse' };

/** A piece of a body that is replaced; an empty span inserts. */
export interface BodyEdit {
  readonly span: Span;
  readonly text: string;
}

/** What the pipeline needs to know of a request. All of it is read from the bytes; nothing else is parsed. */
export interface RequestFacts {
  readonly model: string;
  /** Where the model's JSON string stands, quotes included, to be replaced; undefined if it is in the path. */
  readonly modelSpan: Span | undefined;
  /** Where a model is to be written into a body that names none: right behind its opening brace. */
  readonly modelMissingAt?: number;
  readonly stream: boolean;
  /** Absent: server-sent events. */
  readonly framing?: StreamFraming;
  /** The limit on output tokens that the request sets, per choice; undefined if it sets none. */
  readonly outputLimit: number | undefined;
  /** How many choices are generated and billed: `n` or `best_of`, times the number of prompts. At least 1. */
  readonly choices: number;
  /**
   * Most tokens that the input can have: a token is at least one byte, so the body bounds it, with an allowance for
   * what vendors put around it (tool templates of their own), unless the body
   * refers to something outside itself (an image, a file, a stored response). Undefined then: the model's context
   * bounds it.
   */
  readonly inputBound: number | undefined;
  /** A reply that the upstream kept and that this request goes on from (`previous_response_id`). */
  readonly continues?: string;
  /** The upstream is asked to keep its reply. */
  readonly keeps?: boolean;
  /** Whether the client asked for the usage chunk of a stream. */
  readonly wantsUsage: boolean;
  /** Bytes to replace so that a stream reports usage, applied together with the model; undefined if it will anyway. */
  readonly forceUsage: { readonly span: Span; readonly text: string } | undefined;
}

/** What was read beside a reply. Counts are of what was seen so far. */
export interface ReplyReading {
  /** The upstream's usage block as parsed JSON, from the protocol's own place only; undefined if none was seen. */
  readonly usage: unknown;
  /** The block's own bytes as text, at most 4 KiB, for the usage record. */
  readonly usageText: string | undefined;
  /** Bytes of produced content: text, reasoning, tool names and arguments. */
  readonly contentBytes: number;
  /** Events that carried content; for a reply that is not streamed, the number of choices with content. */
  readonly contentEvents: number;
  /** A stream's events hold any number of tokens. Absent: one at most, which bounds what is estimated. */
  readonly manyTokensAnEvent?: boolean;
  /** True if every choice ended in an error, or nothing but an error object came. */
  readonly failed: boolean;
  /** The upstream's id of the reply, in protocols whose upstreams may keep replies. */
  readonly id?: string;
  /** What a translated reply had that the client's protocol cannot say. Absent: nothing. */
  readonly losses?: readonly string[];
}

export interface StreamOptions {
  /** Remove the usage-only chunk, because we asked for it and the client did not. */
  readonly hideUsage: boolean;
  /** See StreamQuirks.nullUsage: where usage is hidden, so are the nulls in its place. */
  readonly nullUsage?: boolean | undefined;
  /** See StreamQuirks.end. */
  readonly end: 'done' | 'finish-reason';
  /** How the client gets its events. Absent: server-sent events. */
  readonly framing?: StreamFraming;
  /** How the upstream sends them: `json-array` only where `framing` is the same. Absent: server-sent events. */
  readonly received?: StreamFraming;
}

/**
 * Reads a stream beside its relay. Bytes go on event by event, as soon as an event is complete; the terminal event and
 * all after it are kept back until the pipeline has settled.
 */
export interface StreamTap {
  /**
   * Takes bytes as they were read and returns those that may go to the client now: subarrays of the input where
   * possible. `undefined`: nothing yet. Never throws on odd input. The caller must not reuse `chunk`'s memory before
   * the returned bytes are written, and the tap copies what it keeps. Returned bytes that are no part of `chunk` stand
   * in memory made for this call: the caller may free either once they are written.
   */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** The upstream's body ended without an error. Returns bytes that may go out now, as `push` does. */
  end(): Uint8Array | undefined;
  /** True once the protocol's terminal event was seen (or, with the quirk, a finish reason and a clean end). */
  readonly complete: boolean;
  /** Set when an error event came in the stream, an event outgrew its bound, or the framing broke. */
  readonly fault: 'error-event' | 'oversized-event' | 'not-a-stream' | undefined;
  /** What was kept back for settlement; empty before `complete`. Content after the terminal event is dropped. */
  held(): Uint8Array;
  reading(): ReplyReading;
  /** An error inside the running stream, as complete events in the protocol's own form; never a clean end. */
  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array;
  /** A complete, well-formed end of a stream that we cut because the money is out: it says that the limit was met. */
  shortEnd(): Uint8Array;
}

export interface RenderedError {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** What a body is changed to for a vendor of its own protocol. */
export interface BodyAdaptation {
  readonly edits: readonly BodyEdit[];
  /** What was taken out or has become something else, by the names of `Carriage.lost`. */
  readonly losses: readonly string[];
}

export interface Protocol {
  readonly name: ProtocolName;
  readonly operation: Operation;
  /**
   * Throws TollgateError `invalid_request` naming the field. `body` is a bounded, complete request body. `line` is
   * `plainLine` for a protocol that says everything in the body.
   */
  readRequest(body: Uint8Array, line: RequestLine): RequestFacts;
  /** Reads a complete reply that is not streamed. Never throws; an unreadable body gives an empty reading. */
  readReply(body: Uint8Array): ReplyReading;
  /** Only called for requests whose `stream` is true, so never for a protocol without streams. */
  openTap(options: StreamOptions): StreamTap;
  /** An error of ours in the client's own form, with `code`, and `clause` and `link` where a policy refused. */
  renderError(code: ErrorCode, details: ErrorDetails, requestId: string): RenderedError;
  /** The field by which a client limits the output, as refusals name it: `max_tokens`. */
  readonly outputLimitField: string;
  /** Lower-case names of the client's headers that go on to an upstream of the same protocol. */
  readonly relayedHeaders: readonly string[];
  /**
   * Changes to a body that goes to a vendor of the same protocol which differs from its letter, where the vendor says
   * so: a role or a field under its older name. Absent: none are known. Undefined: the body goes on as it came. The
   * body passed `readRequest`.
   */
  adapt?(body: Uint8Array, dialect: Partial<Dialect>): BodyAdaptation | undefined;
  /** To and from the neutral conversation; undefined for a protocol that is never translated. */
  readonly codec: Codec | undefined;
}
