// What clients of a protocol were sent, held against their SDK's types: whole replies, streams and errors.

import type { JsonValue } from '../../../src/plugin/conversation.ts';
import type { ProtocolName } from '../../../src/plugin/operations.ts';
import { objectOf } from '../../../src/protocols/json-fields.ts';
import { haveDescription, openAiDescription } from '../openai-responses/description.ts';
import type { Described, DescribedSchema } from '../openai-responses/description.ts';
import { eventsIn } from '../translation-kit.ts';
import { wrongIn } from './sdk-schemas.ts';
import type { WireType } from './sdk-schemas.ts';

export type ChatProtocol = Extract<
  ProtocolName,
  'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini-generate'
>;

interface Types {
  readonly reply: WireType;
  readonly event: WireType;
  readonly error: WireType;
}

const typesOf: Readonly<Record<ChatProtocol, Types>> = {
  'openai-chat': { reply: 'ChatReply', event: 'ChatEvent', error: 'OpenAiError' },
  'openai-responses': { reply: 'ResponsesReply', event: 'ResponsesEvent', error: 'OpenAiError' },
  'anthropic-messages': { reply: 'MessagesReply', event: 'MessagesEvent', error: 'MessagesError' },
  'gemini-generate': { reply: 'GeminiReply', event: 'GeminiReply', error: 'GeminiError' },
};

/** OpenAI describes its replies beside typing them; its events of responses have a test of their own. */
const schemaOf: Readonly<Partial<Record<WireType, DescribedSchema>>> = {
  ChatReply: 'CreateChatCompletionResponse',
  ChatEvent: 'CreateChatCompletionStreamResponse',
  ResponsesReply: 'Response',
  ResponsesEvent: 'ResponseStreamEvent',
  OpenAiError: 'ErrorResponse',
};
let described: Described | undefined;

function wrong(type: WireType, said: JsonValue): string {
  const schema = schemaOf[type];
  if (haveDescription) described ??= openAiDescription();
  return wrongIn(type, said) || (schema === undefined ? '' : (described?.wrongIn(schema, said) ?? ''));
}

export const wrongInReply = (protocol: ChatProtocol, body: string): string =>
  wrong(typesOf[protocol].reply, JSON.parse(body));

export const wrongInError = (protocol: ChatProtocol, body: string): string =>
  wrong(typesOf[protocol].error, JSON.parse(body));

/** The first event that is wrong. */
export function wrongInStream(protocol: ChatProtocol, body: string): string {
  const { event, error } = typesOf[protocol];
  for (const { name, data } of eventsIn(body)) {
    if (protocol === 'openai-chat' && data === '[DONE]') continue;
    const said = objectOf(JSON.parse(data));
    const { type } = said;
    // Only a stream of responses has events of its own for errors.
    const isError = protocol !== 'openai-responses' && (type === 'error' || Object.hasOwn(said, 'error'));
    const found = wrong(isError ? error : event, said);
    if (found !== '') return found;
    if (name !== '' && name !== type) return `an event named ${name} of type ${String(type)}`;
  }
  return '';
}
