// The neutral conversation: what a request asks and what a reply says, in no vendor's form. Each protocol reads into it
// and writes out of it, so that any client reaches any upstream without a converter for each pair. Where both sides
// speak the same protocol none of this is made: bytes pass through.
//
// What a form can not carry is never dropped in silence. A reader puts what the neutral form has no room for into
// `unmapped`; a writer that cannot carry a part of the neutral form says so through `Carriage`.

import type { ProtocolName } from './operations.ts';

/** JSON as a client or an upstream sent it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: JsonValue | undefined;
}

/** One request. An absent member was not set by the client: the target's own default holds. */
export interface Conversation {
  /** The name that the client sent. */
  readonly model: string;
  readonly stream: boolean;
  /** In the client's order, system turns in their places. */
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  /** False: at most one tool call in a reply. */
  readonly parallelToolCalls?: boolean;
  /** Most output tokens of one choice, thinking included. */
  readonly outputLimit?: number;
  readonly choices?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** Token id by bias, as OpenAI has it. */
  readonly logitBias?: JsonObject;
  readonly stop?: readonly string[];
  readonly outputForm?: OutputForm;
  readonly thinking?: ThinkingSettings;
  readonly verbosity?: 'low' | 'medium' | 'high';
  /** How many alternatives are reported for each token; 0 for the token alone. */
  readonly logprobs?: number;
  /** As OpenAI words it: `auto`, `default`, `flex`, `priority` …; Anthropic's `standard_only` is `default`. */
  readonly serviceTier?: string;
  /** The end user, as the client names them to the vendor. */
  readonly user?: string;
  readonly metadata?: JsonObject;
  /** Routes like prompts to one cache (`prompt_cache_key`). */
  readonly cacheKey?: string;
  /** Whether the upstream keeps the reply for later reference. */
  readonly store?: boolean;
  /** What is to be produced besides text: `audio`, `image`. */
  readonly modalities?: readonly string[];
  /** Voice and format, as OpenAI has it. */
  readonly audio?: JsonObject;
  /** Fields without a place above. Writers for another protocol refuse those of weight `meaning`, list the rest. */
  readonly unmapped: readonly Unmapped[];
}

export interface Unmapped {
  /** The client's own path: `context_management`, `tools[3].defer_loading`. */
  readonly path: string;
  /**
   * `meaning`: without it the answer would be another one, or would mean something else (a stored response that is
   * referred to, a server tool). `hint`: the answer is as good without it.
   */
  readonly weight: 'meaning' | 'hint';
}

export type Turn = SystemTurn | UserTurn | AssistantTurn;

export interface SystemTurn {
  readonly role: 'system';
  /** Which of OpenAI's two words was used. The others know only `system`. */
  readonly authority: 'system' | 'developer';
  readonly parts: readonly TextPart[];
}

/** What the model is told: by a person, or by the tools it called. */
export interface UserTurn {
  readonly role: 'user';
  readonly name?: string;
  readonly parts: readonly (InputPart | ToolResultPart)[];
}

export interface AssistantTurn {
  readonly role: 'assistant';
  readonly name?: string;
  /** In the order in which the model produced them. */
  readonly parts: readonly OutputPart[];
}

/** A mark up to which the upstream is asked to cache (Anthropic's `cache_control`, ephemeral). */
export interface CacheMark {
  readonly lifetime: '5m' | '1h';
}

export interface TextPart {
  readonly kind: 'text';
  /** May be empty: writers for protocols that refuse empty text leave such parts out. */
  readonly text: string;
  readonly cache?: CacheMark;
  readonly citations?: readonly Citation[];
}

/** A picture, a sound, a film, or a document. */
export interface MediaPart {
  readonly kind: 'image' | 'audio' | 'video' | 'document';
  readonly source: MediaSource;
  /** OpenAI's `low`, `high`, `auto`. */
  readonly detail?: string;
  readonly fileName?: string;
  readonly title?: string;
  readonly context?: string;
  /** Ask for citations out of this document. */
  readonly citable?: boolean;
  readonly cache?: CacheMark;
}

export type MediaSource =
  | { readonly from: 'url'; readonly url: string; readonly mediaType?: string }
  /** `data`: standard base64 with padding, unchanged from the client. `mediaType` as `image/png`. */
  | { readonly from: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly from: 'text'; readonly mediaType: string; readonly text: string }
  /** A file stored at the vendor: means nothing to any other protocol. */
  | { readonly from: 'stored'; readonly protocol: ProtocolName; readonly id: string; readonly mediaType?: string };

export type InputPart = TextPart | MediaPart | NativePart;

export interface ToolResultPart {
  readonly kind: 'tool-result';
  /** The id of the call, as the client has it. */
  readonly callId: string;
  /** The function's name where the client's form says it (Gemini); else found by `callId` among the calls before. */
  readonly name?: string;
  readonly parts: readonly InputPart[];
  /** The result as structured JSON, where the client's form has it so (Gemini's `functionResponse.response`). */
  readonly json?: JsonObject;
  readonly failed?: boolean;
  readonly cache?: CacheMark;
}

export type OutputPart = TextPart | ThinkingPart | ToolCallPart | RefusalPart | MediaPart | NativePart;

/** What the model thought, or a summary of it. Text may be empty where only the signature was given out. */
export interface ThinkingPart {
  readonly kind: 'thinking';
  readonly text: string;
  /** True where the text is a summary (OpenAI's reasoning items), not the thinking itself. */
  readonly summary?: boolean;
  readonly signature?: Signature;
}

/**
 * Proof of thinking that only the protocol that issued it can read: Anthropic's `signature` and `redacted_thinking`,
 * OpenAI's reasoning item id with `encrypted_content`, Gemini's `thoughtSignature`. To another protocol's client it
 * goes in an envelope (`protocols/signature-envelope.ts`), so that it comes back as it was.
 */
export interface Signature {
  readonly protocol: ProtocolName;
  readonly form: 'signature' | 'redacted' | 'encrypted';
  readonly value: string;
  /** OpenAI's item id (`rs_…`), which must come back with the item. */
  readonly id?: string;
}

export interface ToolCallPart {
  readonly kind: 'tool-call';
  readonly id: string;
  readonly name: string;
  /** JSON text as the model wrote it, `{}` for none; for a `custom` tool free text. */
  readonly arguments: string;
  readonly custom?: boolean;
  /** Gemini signs calls. */
  readonly signature?: Signature;
  /** OpenAI's item id (`fc_…`), where it differs from the call's id. */
  readonly itemId?: string;
  readonly cache?: CacheMark;
}

export interface RefusalPart {
  readonly kind: 'refusal';
  readonly text: string;
}

/**
 * A block that only its own protocol understands: server tool calls and their results, compaction, executed code.
 * Another protocol's writer refuses it in a request, and leaves it out of a reply with the loss `native-block`.
 */
export interface NativePart {
  readonly kind: 'native';
  readonly protocol: ProtocolName;
  /** The block's own type: `server_tool_use`, `web_search_call`. */
  readonly type: string;
  readonly value: JsonValue;
  /** Where it stood in the client's request. */
  readonly path?: string;
}

export type Tool =
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly description?: string;
      /** JSON Schema as the client wrote it; absent for a function without parameters. */
      readonly parameters?: JsonObject;
      /** Arguments must match the schema exactly. */
      readonly strict?: boolean;
      readonly cache?: CacheMark;
      /** OpenAI's responses: the namespace that it stands in, with which `name` begins: `crm__find`. */
      readonly namespace?: string;
    }
  /** OpenAI's `custom`: input is free text, or a grammar. */
  | {
      readonly kind: 'custom';
      readonly name: string;
      readonly description?: string;
      readonly format?: JsonObject;
      readonly namespace?: string;
    }
  /** Runs at the vendor: `web_search_20250305`, `code_interpreter`, `googleSearch`. */
  | { readonly kind: 'native'; readonly protocol: ProtocolName; readonly type: string; readonly value: JsonValue };

export type ToolChoice =
  | { readonly kind: 'auto' | 'none' | 'required' }
  | { readonly kind: 'tool'; readonly name: string }
  /** One of these, or none of them. */
  | { readonly kind: 'allowed'; readonly mode: 'auto' | 'required'; readonly names: readonly string[] };

export type OutputForm =
  | { readonly kind: 'text' }
  /** Any JSON object. */
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema';
      readonly name?: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict?: boolean;
    };

export interface ThinkingSettings {
  /** `off`: must not think. `adaptive`: as much as the model sees fit. Absent: not said. */
  readonly mode?: 'off' | 'on' | 'adaptive';
  readonly effort?: 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';
  /** Tokens for thinking; counts within `outputLimit`. */
  readonly budgetTokens?: number;
  /** Whether thoughts, or summaries of them, are to be shown. */
  readonly shown?: boolean;
  /** OpenAI's `concise`, `detailed`, `auto`. */
  readonly summary?: string;
}

export interface Citation {
  readonly url?: string;
  readonly title?: string;
  /** Character range in the text that cites, where known. */
  readonly start?: number;
  readonly end?: number;
  readonly citedText?: string;
  /** As its own protocol wrote it. */
  readonly native?: { readonly protocol: ProtocolName; readonly value: JsonValue };
}
