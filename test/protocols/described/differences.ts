// Where what we send to clients differs from their SDK's types, with the reason. Every SDK hands unknown members on.

/** Our own code, the field at fault, and the clause that refuses with where to read it. */
const ours = ['code', 'param', 'clause', 'link'] as const;

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
  // In OpenAI's description, and sent by its API.
  Response: ['store'],
  ResponsesReply: ['store'],
  ResponseFunctionCallArgumentsDoneEvent: ['name'],
  // The words of an error once more, where its own clients and others look for them.
  ResponseErrorEvent: ['error'],
  ErrorObject: ['clause', 'link'],
  InvalidRequestErrorObject: ours,
  AuthenticationErrorObject: ours,
  BillingErrorObject: ours,
  PermissionErrorObject: ours,
  NotFoundErrorObject: ours,
  RateLimitErrorObject: ours,
  GatewayTimeoutErrorObject: ours,
  APIErrorObject: ours,
  OverloadedErrorObject: ours,
  TooLargeErrorObject: ours,
  // How long a prompt and an answer may be, and what a model is for: OpenAI's clients would have to know.
  Model: ['context_length', 'max_output_tokens', 'operations'],
  // What was written to caches for how long is known at the end only, and costs differ.
  MessageDeltaUsage: ['cache_creation'],
};

/** Words beside a type's list, by the name of the type and the member. */
export const allowedWords: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  // By it agents tell that waiting brings no money back: Codex gives up at once.
  ResponseError: { code: ['insufficient_quota'] },
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
