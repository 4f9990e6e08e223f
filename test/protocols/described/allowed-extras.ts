// Where what we send to clients differs from their SDK's types, with the reason. Every SDK hands unknown members on.

/** Members beside what a type names, by the SDK's own name of the type that they stand in. */
export const allowedExtras: Readonly<Record<string, readonly string[]>> = {
  // The upstream's own word for why it stopped, and the sequence that it met: OpenAI's five words cannot tell.
  'ChatCompletion.Choice': ['native_finish_reason', 'stop_reason'],
  'ChatCompletionChunk.Choice': ['native_finish_reason', 'stop_reason'],
  // Thinking, with its proof, and pictures have no place in chat: DeepSeek's and OpenRouter's names for them.
  ChatCompletionMessage: ['reasoning_content', 'reasoning_details', 'images'],
  // Of OpenAI's own, only whole replies are described with citations.
  'ChatCompletionChunk.Choice.Delta': ['reasoning_content', 'reasoning_details', 'images', 'annotations'],
  // Where Google's clients of chat look for the signature of a call.
  ChatCompletionMessageFunctionToolCall: ['extra_content'],
  'ChatCompletionChunk.Choice.Delta.ToolCall': ['extra_content'],
  // Described by OpenAI's description, and sent by its API.
  Response: ['store'],
  ResponsesReply: ['store'],
  // What was written to caches for how long is known at the end only, and costs differ.
  MessageDeltaUsage: ['cache_creation'],
};

/** Members that an SDK computes, and types as if they came. */
export const notSent: Readonly<Record<string, readonly string[]>> = {
  Response: ['output_text'],
};

/** Members that come as null, where their type has them missing: OpenAI's API sends no usage until it is known. */
export const nullable: Readonly<Record<string, readonly string[]>> = {
  Response: ['usage'],
  ResponsesReply: ['usage'],
};
