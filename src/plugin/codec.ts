// Codec: one chat protocol to and from the neutral conversation. Four are built in; a provider's own would have the
// same form. A codec knows its protocol only: how a vendor differs it learns from the `Dialect`.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import type { ConversationReply, ReplySink, UpstreamErrorText } from './conversation-reply.ts';
import type { Conversation, JsonValue, ThinkingSettings } from './conversation.ts';
import type { RequestLine } from './protocol.ts';
import type { UsageParts } from './usage.ts';

/** How much a model is told to think; `none`: not at all. */
export type EffortWord = 'none' | NonNullable<ThinkingSettings['effort']>;

export type Sampling = 'always' | 'unless-thinking' | 'only-at-rest' | 'never';

/** How one model of a vendor differs from the letter of a protocol, as far as requests must be written otherwise. */
export interface Dialect {
  /** OpenAI chat: whether the role `developer` is known. If not, `system` is written. */
  readonly developerRole: boolean;
  /** OpenAI chat: the name under which the vendor takes the limit of output tokens. */
  readonly tokenLimit: 'max_completion_tokens' | 'max_tokens';
  /** What ids of tool calls may be made of. Others are mapped, the same way in every request. */
  readonly toolIds: 'any' | 'nine-alphanumeric';
  /** OpenAI chat: under which name thinking is replayed in assistant messages; `none`: it is left out. */
  readonly reasoningField: 'reasoning_content' | 'reasoning' | 'none';
  /** OpenAI chat: whether a user may speak right behind a result. If not, "OK." stands between. */
  readonly userAfterResult: boolean;
  /**
   * How thinking is asked for. `effort`: `reasoning_effort` or `output_config.effort` (Anthropic: with adaptive
   * thinking); `budget`: a number of tokens; `level`: Gemini's `thinkingLevel`; `none`: cannot be asked for.
   */
  readonly thinking: 'effort' | 'budget' | 'level' | 'none';
  /**
   * The words of effort that the model takes, with `none` where it can be told not to think. Asked for another one, it
   * is told the nearest, between two the lesser, and the loss is listed. Of a `budget` only `none` counts.
   */
  readonly efforts: readonly EffortWord[];
  /** Anthropic: by which word the model is told not to think, where that can be told. */
  readonly notThinking: 'disabled' | 'between_tools';
  /** Whether JSON Schema output with `strict` is known. If not, a schema is a loss of strictness, not of the schema. */
  readonly strictSchemas: boolean;
  /**
   * OpenAI: what a function takes must be one plain object, and so must the form of an answer. Others' choices at the
   * root are left out and listed, and other forms refused.
   */
  readonly objectRoots: boolean;
  readonly parallelToolCalls: boolean;
  /**
   * OpenAI and Anthropic: when `temperature`, `topP` and the like are taken. `unless-thinking`: unless the request asks
   * for thinking; `only-at-rest`: where it says not to think. Otherwise they are left out and listed.
   */
  readonly sampling: Sampling;
  /** Anthropic: whether it can be made to call a tool. If not, a request that demands a call is refused. */
  readonly forcedCalls: boolean;
  /**
   * Anthropic: whether a system turn may stand among the messages, between the user's and the model's. Elsewhere it is
   * moved, behind the user's turn that follows or else to the front, and listed.
   */
  readonly systemAmongTurns: boolean;
}

/** Told by writers of requests; one for each attempt. */
export interface Carriage {
  /**
   * Something could not be carried and was left out. Short kebab-case names that stay the same (`top-k`,
   * `cache-control`), or `field:PATH` for a field of the client's. Repeated names count once.
   */
  lost(loss: string): void;
  /** Something that changes the meaning cannot be carried. Throws `invalid_request` naming the field. */
  refuse(field: string, why: string): never;
}

export interface RequestTarget {
  /** The upstream's own name for the model. */
  readonly model: string;
  readonly stream: boolean;
  readonly dialect: Dialect;
  /** Most output tokens that the model has, for protocols that demand a limit where the client set none. */
  readonly outputTokensMax: number;
  /** A stream is to report its usage (OpenAI chat). */
  readonly askUsage: boolean;
}

/** What writers of replies need besides the reply. */
export interface ReplyContext {
  /** The request as it was read: some replies repeat parts of it. */
  readonly request: Conversation;
  /** Epoch seconds at which the request was admitted. */
  readonly createdAt: number;
  /** Random, 24 characters of [A-Za-z0-9]: for ids that the upstream did not give. A new one for each call. */
  newId(): string;
  /** The upstream's usage block in disjoint parts, by its provider's rule; undefined where it is none. */
  usageOf(raw: JsonValue): UsageParts | undefined;
  /** The client asked for usage in a stream (OpenAI chat), or its protocol always has it. */
  readonly wantsUsage: boolean;
}

/** Reads an upstream's stream, event by event. What it says goes to the sink it was opened with. */
export interface StreamReader {
  /** See ReplyReading.manyTokensAnEvent. */
  readonly manyTokensAnEvent: boolean;
  /** One server-sent event: its `event:` name, empty if it has none, and its data. Never throws on odd input. */
  event(name: string, data: string): void;
  /** The body ended cleanly. */
  end(): void;
  /** The protocol's terminal event was seen. */
  readonly complete: boolean;
  /** A finish reason was seen for every choice: with a clean end that will do for some vendors. */
  readonly finished: boolean;
}

/**
 * Writes a stream to a client. Blocks come to it in strict order: one open block in a choice at a time, each begun,
 * filled, ended; all ended before `stop`; one `stop` for each choice; then `end`, once. Each call returns what goes
 * out for it, complete events only; `''` for nothing.
 */
export interface StreamWriter {
  head(head: Parameters<ReplySink['head']>[0]): string;
  blockStart(choice: number, block: Parameters<ReplySink['blockStart']>[2]): string;
  delta(choice: number, text: string): string;
  annotate(choice: number, annotation: Parameters<ReplySink['annotate']>[2]): string;
  blockEnd(choice: number): string;
  stop(choice: number, stop: Parameters<ReplySink['stop']>[1]): string;
  /** The reply is complete: everything that ends it, usage included. Kept back until the charge is settled. */
  end(usage: UsageParts | undefined): string;
  /** An error after the stream began: what may still be written so that no client takes it for a clean end. */
  error(code: ErrorCode, details: ErrorDetails, requestId: string): string;
  /** What the stream had and this protocol cannot say. Repeated names count once. */
  readonly losses: readonly string[];
  /** Goes out where the upstream keeps its connection alive; empty where the protocol has no such thing. */
  readonly keepAlive: string;
}

/** One chat protocol, both ways. All of it is pure but for the ids of `ReplyContext`. */
export interface Codec {
  /**
   * Reads a client's request. `body` passed the protocol's `readRequest`. Throws TollgateError `invalid_request` naming
   * the field where the conversation cannot be understood; unknown fields go to `unmapped`.
   */
  parseRequest(body: JsonValue, line: RequestLine): Conversation;
  /** The request for an upstream: a JSON text. Throws what `carriage.refuse` throws. */
  renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string;
  /** Reads a whole reply of an upstream into the sink. Never throws on odd input. */
  readReply(body: JsonValue, sink: ReplySink): void;
  openReader(sink: ReplySink): StreamReader;
  /** The whole reply for a client: a JSON text. `lost` is told what this protocol cannot say. */
  renderReply(
    reply: ConversationReply,
    usage: UsageParts | undefined,
    context: ReplyContext,
    lost: (loss: string) => void,
  ): string;
  openWriter(context: ReplyContext): StreamWriter;
  /** The words of an upstream's error body in this protocol; undefined where there are none. */
  readError(body: JsonValue): UpstreamErrorText | undefined;
  /** An upstream's refusal, with its words, in this protocol's form: a JSON text. `status` is what the client gets. */
  renderRefusal(status: number, words: UpstreamErrorText, requestId: string): string;
}
