// Operations and protocols: the closed lists that providers, models and the pipeline share.

/** What a caller asks for. `completions` is the legacy text completion. */
export const operations = ['chat', 'completions', 'embeddings'] as const;
export type Operation = (typeof operations)[number];

/** A wire format. Each operation of a provider names the protocols that it speaks. */
export const protocolNames = [
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'gemini-generate',
  'openai-completions',
  'openai-embeddings',
] as const;
export type ProtocolName = (typeof protocolNames)[number];
