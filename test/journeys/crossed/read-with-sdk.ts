// One call with the official SDK of a protocol, and what that SDK made of the reply: the same few things for all four,
// so that replies can be compared across protocols.

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

export const chatProtocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
export type ChatProtocol = (typeof chatProtocols)[number];

export interface ToolRead {
  readonly name: string;
  /** Parsed, because spacing is the model's. */
  readonly input: unknown;
}

export interface ReplyRead {
  readonly text: string;
  readonly thinking: string;
  readonly refusal: string;
  readonly tools: readonly ToolRead[];
  readonly stop: 'end' | 'length' | 'tools' | 'filtered' | 'paused';
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number } | undefined;
}

export interface Target {
  readonly url: string;
  readonly apiKey: string;
  readonly model: string;
  readonly stream: boolean;
}

type Collected = { -readonly [K in keyof ReplyRead]: ReplyRead[K] } & { tools: ToolRead[] };

const empty = (): Collected => ({ text: '', thinking: '', refusal: '', tools: [], stop: 'end', usage: undefined });

const parsed = (text: string): unknown => (text === '' ? {} : JSON.parse(text));

export function readWith(protocol: ChatProtocol, target: Target): Promise<ReplyRead> {
  switch (protocol) {
    case 'openai-chat':
      return withChat(target);
    case 'openai-responses':
      return withResponses(target);
    case 'anthropic-messages':
      return withAnthropic(target);
    case 'gemini-generate':
      return withGemini(target);
  }
}

const openAi = ({ url, apiKey }: Target) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

function stopOfChat(reason: string | null): ReplyRead['stop'] {
  if (reason === 'tool_calls' || reason === 'function_call') return 'tools';
  if (reason === 'length') return 'length';
  return reason === 'content_filter' ? 'filtered' : 'end';
}

/** What vendors put beside OpenAI's members. */
const beside = (value: object, name: string): string => {
  const found: unknown = Reflect.get(value, name);
  return typeof found === 'string' ? found : '';
};

/** OpenRouter's form of thinking that is signed. */
function detailsOf(said: object): string {
  const details: unknown = Reflect.get(said, 'reasoning_details');
  if (!Array.isArray(details)) return '';
  return details.map((each) => beside(Object(each), 'text') || beside(Object(each), 'summary')).join('');
}

/** Mistral's content may be a list of parts, of which some are thinking. */
function contentOf(content: unknown): { text: string; thinking: string } {
  if (typeof content === 'string') return { text: content, thinking: '' };
  let text = '';
  let thinking = '';
  for (const part of Array.isArray(content) ? content : []) {
    if (part?.type === 'thinking') {
      for (const each of part.thinking ?? []) thinking += each?.text ?? '';
    } else text += part?.text ?? '';
  }
  return { text, thinking };
}

async function withChat(target: Target): Promise<ReplyRead> {
  const read = empty();
  const calls = new Map<string, { name: string; text: string }>();
  const take = (said: object & { content?: unknown; refusal?: string | null }) => {
    const { text, thinking } = contentOf(said.content);
    read.text += text;
    read.thinking += thinking + (beside(said, 'reasoning_content') || beside(said, 'reasoning') || detailsOf(said));
    const called: unknown = Reflect.get(said, 'function_call');
    const [name, pieces] = [Reflect.get(Object(called), 'name'), Reflect.get(Object(called), 'arguments')];
    if (name) calls.set('legacy', { name: String(name), text: '' });
    const legacy = calls.get('legacy');
    if (legacy !== undefined) legacy.text += String(pieces ?? '');
    read.refusal += said.refusal ?? '';
  };
  const counted = (usage: OpenAI.CompletionUsage) => {
    read.usage = {
      input: usage.prompt_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
      output: usage.completion_tokens,
    };
  };
  const request = { model: target.model, messages: [{ role: 'user' as const, content: 'Hello' }] };
  if (target.stream) {
    const stream = await openAi(target).chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let last: string | undefined;
    for await (const chunk of stream) {
      const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
      if (choice?.delta !== undefined) take(choice.delta);
      for (const call of choice?.delta?.tool_calls ?? []) {
        const key = call.index === undefined ? (call.id ?? last ?? '') : `${call.index}`;
        last = key;
        const known = calls.get(key) ?? { name: '', text: '' };
        known.name ||= call.function?.name ?? '';
        known.text += call.function?.arguments ?? '';
        calls.set(key, known);
      }
      if (choice?.finish_reason) read.stop = stopOfChat(choice.finish_reason);
      const grouped: unknown = Reflect.get(chunk, 'x_groq');
      const usage = chunk.usage ?? (grouped === undefined ? undefined : Reflect.get(Object(grouped), 'usage'));
      if (usage) counted(usage);
    }
    read.tools.push(...[...calls.values()].map(({ name, text }) => ({ name, input: parsed(text) })));
    return withToolsAsStop(read);
  }

  const reply = await openAi(target).chat.completions.create(request);
  const [choice] = reply.choices;
  if (choice !== undefined) {
    take(choice.message);
    read.stop = stopOfChat(choice.finish_reason);
    for (const { name, text } of calls.values()) read.tools.push({ name, input: parsed(text) });
    for (const call of choice.message.tool_calls ?? [])
      if (call.type === 'function')
        read.tools.push({ name: call.function.name, input: parsed(call.function.arguments) });
  }
  if (reply.usage) counted(reply.usage);
  return withToolsAsStop(read);
}

/** Some vendors say `stop` although they call: a client that reads the calls runs them all the same. */
function withToolsAsStop(read: Collected): ReplyRead {
  return read.stop === 'end' && read.tools.length > 0 ? { ...read, stop: 'tools' } : read;
}

async function withResponses(target: Target): Promise<ReplyRead> {
  const request = { model: target.model, input: 'Hello' };
  let reply: OpenAI.Responses.Response;
  let streamedText: string | undefined;
  if (target.stream) {
    const stream = await openAi(target).responses.create({ ...request, stream: true });
    let last: OpenAI.Responses.Response | undefined;
    streamedText = '';
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') streamedText += event.delta;
      if (event.type === 'response.completed' || event.type === 'response.incomplete') last = event.response;
    }
    if (last === undefined) throw new Error('the stream of responses had no end');
    reply = last;
  } else reply = await openAi(target).responses.create(request);
  const read = empty();
  for (const item of reply.output) {
    if (item.type === 'message') {
      for (const part of item.content) {
        if (part.type === 'output_text') read.text += part.text;
        else read.refusal += part.refusal;
      }
    } else if (item.type === 'reasoning') {
      read.thinking += (item.summary ?? []).map(({ text }) => text).join('');
      read.thinking += (item.content ?? []).map(({ text }) => text).join('');
    } else if (item.type === 'function_call') {
      read.tools.push({ name: item.name, input: parsed(item.arguments) });
    }
  }
  if (streamedText !== undefined && streamedText !== read.text)
    throw new Error(`streamed ${JSON.stringify(streamedText)}, and in the end ${JSON.stringify(read.text)}`);
  const reason = reply.incomplete_details?.reason;
  read.stop = reason === 'content_filter' ? 'filtered' : reason === 'max_output_tokens' ? 'length' : 'end';
  if (reply.usage) {
    read.usage = {
      input: reply.usage.input_tokens,
      cached: reply.usage.input_tokens_details?.cached_tokens ?? 0,
      output: reply.usage.output_tokens,
    };
  }
  return withToolsAsStop(read);
}

async function withAnthropic({ url, apiKey, model, stream }: Target): Promise<ReplyRead> {
  const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  const request = { model, max_tokens: 1_000, messages: [{ role: 'user' as const, content: 'Hello' }] };
  const reply = stream ? await client.messages.stream(request).finalMessage() : await client.messages.create(request);
  const read = empty();
  for (const block of reply.content) {
    if (block.type === 'text') read.text += block.text;
    else if (block.type === 'thinking') read.thinking += block.thinking;
    else if (block.type === 'tool_use') read.tools.push({ name: block.name, input: block.input });
  }
  switch (reply.stop_reason) {
    case 'tool_use':
      read.stop = 'tools';
      break;
    case 'max_tokens':
    case 'model_context_window_exceeded':
      read.stop = 'length';
      break;
    case 'refusal':
      read.stop = 'filtered';
      break;
    case 'pause_turn':
      read.stop = 'paused';
      break;
    default:
      read.stop = 'end';
  }
  const { usage } = reply;
  const cached = usage.cache_read_input_tokens ?? 0;
  read.usage = {
    input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
    cached,
    output: usage.output_tokens,
  };
  return read;
}

async function withGemini({ url, apiKey, model, stream }: Target): Promise<ReplyRead> {
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
  const read = empty();
  const request = { model, contents: 'Hello' };
  const replies = stream
    ? await client.models.generateContentStream(request)
    : [await client.models.generateContent(request)];
  for await (const reply of replies) {
    const candidate = reply.candidates?.find(({ index }) => (index ?? 0) === 0);
    for (const part of candidate?.content?.parts ?? []) {
      if (part.functionCall !== undefined)
        read.tools.push({ name: part.functionCall.name ?? '', input: part.functionCall.args ?? {} });
      else if (part.thought === true) read.thinking += part.text ?? '';
      else read.text += part.text ?? '';
    }
    const reason: string | undefined = candidate?.finishReason;
    if (reason === 'MAX_TOKENS') read.stop = 'length';
    else if (reason !== undefined && reason !== 'STOP') read.stop = 'filtered';
    if (reply.promptFeedback?.blockReason !== undefined) read.stop = 'filtered';
    const usage = reply.usageMetadata;
    if (usage?.promptTokenCount !== undefined) {
      read.usage = {
        input: usage.promptTokenCount + (usage.toolUsePromptTokenCount ?? 0),
        cached: usage.cachedContentTokenCount ?? 0,
        output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
      };
    }
  }
  return withToolsAsStop(read);
}
