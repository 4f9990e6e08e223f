// What the official SDKs say comes over the wire, by the names that the checks ask for. Where an SDK's type is of what
// it hands out, and not of what came, the difference stands here. Only types: schemas are made from them.

import type { RawMessageStreamEvent, Message, MessageTokensCount } from '@anthropic-ai/sdk/resources/messages';
import type { ModelInfo } from '@anthropic-ai/sdk/resources/models';
import type { ErrorResponse } from '@anthropic-ai/sdk/resources/shared';
import type { CountTokensResponse, GenerateContentResponse, Model as HandedOutModel } from '@google/genai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Model } from 'openai/resources/models';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { ErrorObject } from 'openai/resources/shared';

export type ChatReply = ChatCompletion;
export type ChatEvent = ChatCompletionChunk;
export type ResponsesReply = Omit<Response, 'output_text'>;
export type ResponsesEvent = ResponseStreamEvent;
export interface OpenAiError {
  error: ErrorObject;
}
export type OpenAiModel = Model;
export interface OpenAiModels {
  object: 'list';
  data: OpenAiModel[];
}

export type MessagesReply = Message;
/** The SDK swallows pings, and throws what is an error. */
export type MessagesEvent = RawMessageStreamEvent | { type: 'ping' };
export type MessagesError = ErrorResponse | (Omit<ErrorResponse, 'error'> & { error: TooLargeErrorObject });
/** In Anthropic's list of errors, and not in its SDK. */
export interface TooLargeErrorObject {
  type: 'request_too_large';
  message: string;
}
export type MessagesCount = MessageTokensCount;
export type MessagesModel = ModelInfo;
export interface MessagesModels {
  data: MessagesModel[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}

/** The SDK puts the HTTP response and its own calls of functions beside what came. */
export type GeminiReply = Omit<GenerateContentResponse, 'sdkHttpResponse' | 'automaticFunctionCallingHistory'>;
/** The SDK has no type for the body of an error: it is google.rpc.Status, in words. */
export interface GeminiError {
  error: {
    code: number;
    message: string;
    status: string;
    details: { '@type': string; [name: string]: unknown }[];
  };
}
export type GeminiCount = Omit<CountTokensResponse, 'sdkHttpResponse'>;
/** The SDK renames what a model can be asked, and leaves out which it is based on. */
export interface GeminiModel extends Omit<HandedOutModel, 'supportedActions'> {
  baseModelId: string;
  supportedGenerationMethods: string[];
}
export interface GeminiModels {
  models: GeminiModel[];
  nextPageToken?: string;
}
