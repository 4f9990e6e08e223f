// Usage: what a reply consumed, in disjoint parts. Each token stands in exactly one part.

/**
 * Parts of usage, in the order in which charge lines list them. Token parts count tokens; `calls` counts requests,
 * `seconds` whole seconds of audio or session, `toolCalls` calls of tools that the upstream bills by the call.
 */
export const usageParts = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'imageInput',
  'audioInput',
  'output',
  'reasoning',
  'imageOutput',
  'audioOutput',
  'calls',
  'seconds',
  'toolCalls',
] as const;

export type UsagePart = (typeof usageParts)[number];

/** Quantities by part: non-negative integers up to 2^53-1. An absent part is zero. */
export type UsageParts = Readonly<Partial<Record<UsagePart, number>>>;

/**
 * The part whose price stands in for a part that the model does not price apart. Only `reasoning` may rely on it
 * silently; a model that needs any other is refused when it is published. Where an upstream reports a part that the
 * model never declared, the host folds it into this parent and flags the record `folded:<part>`.
 */
export const parentPart: Readonly<Partial<Record<UsagePart, UsagePart>>> = {
  cacheRead: 'input',
  cacheWrite5m: 'input',
  cacheWrite1h: 'input',
  imageInput: 'input',
  audioInput: 'input',
  reasoning: 'output',
  imageOutput: 'output',
  audioOutput: 'output',
};

/** Where the quantities of a usage record come from. */
export type UsageSource = 'upstream' | 'estimated' | 'none';

/** What a provider read out of an upstream's own usage block. */
export interface UsageReading {
  readonly parts: UsageParts;
  /**
   * What was odd about the block: `cached-above-input`, `negative`, `not-an-integer`, `total-differs` … Short, stable,
   * kebab-case. The host keeps them on the record and marks the upstream down for them.
   */
  readonly flags: readonly string[];
}
