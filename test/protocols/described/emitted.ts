// What clients of a protocol were sent, held against their SDK's types: whole replies, streams and errors.

import type { ProtocolName } from '../../../src/plugin/operations.ts';
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

export const wrongInReply = (protocol: ChatProtocol, body: string): string =>
  wrongIn(typesOf[protocol].reply, JSON.parse(body));

export const wrongInError = (protocol: ChatProtocol, body: string): string =>
  wrongIn(typesOf[protocol].error, JSON.parse(body));

/** The first event that is wrong. */
export function wrongInStream(protocol: ChatProtocol, body: string): string {
  const { event, error } = typesOf[protocol];
  for (const { name, data } of eventsIn(body)) {
    if (protocol === 'openai-chat' && data === '[DONE]') continue;
    const said: unknown = JSON.parse(data);
    const type: unknown = Reflect.get(Object(said), 'type');
    // Only a stream of responses has events of its own for errors.
    const isError =
      protocol !== 'openai-responses' && (type === 'error' || Object.hasOwn(Object(said), 'error'));
    const wrong = wrongIn(isError ? error : event, said);
    if (wrong !== '') return wrong;
    if (name !== '' && name !== type) return `an event named ${name} of type ${String(type)}`;
  }
  return '';
}
