// Frameworks that bring readers and writers of their own: the AI SDK with four providers, LangChain with three, and
// OpenRouter's SDK.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { AIMessageChunk, BaseMessage } from '@langchain/core/messages';
import { concat } from '@langchain/core/utils/stream';
import { ChatGoogleGenerativeAI } from '@langchain/google-genai';
import { ChatOpenAI } from '@langchain/openai';
import { OpenRouter } from '@openrouter/sdk';
import { generateText, isStepCount, jsonSchema, streamText, tool } from 'ai';
import type { LanguageModel } from 'ai';
import { errand, greeting, resultOf, toolNames, toolSchema } from './client.ts';
import type { Client, ClientTarget } from './client.ts';

function aiSdk(name: string, modelOf: (target: ClientTarget) => LanguageModel): Client {
  const tools = Object.fromEntries(
    toolNames.map((each) => [
      each,
      tool({
        description: `Tells the ${each}`,
        inputSchema: jsonSchema<{ city: string }>(toolSchema),
        execute: async () => resultOf(each),
      }),
    ]),
  );
  return {
    name,
    async say(target, stream) {
      const request = { model: modelOf(target), prompt: greeting, maxRetries: 0 };
      if (!stream) {
        const { text, usage } = await generateText(request);
        return { text, inputTokens: usage.inputTokens };
      }
      const running = streamText({ ...request, onError: () => {} });
      return { text: await running.text, inputTokens: (await running.usage).inputTokens };
    },
    async round(target, stream) {
      const request = { model: modelOf(target), prompt: errand, tools, stopWhen: isStepCount(3), maxRetries: 0 };
      const running = stream ? streamText({ ...request, onError: () => {} }) : await generateText(request);
      const steps = await running.steps;
      return { called: (steps[0]?.toolCalls ?? []).map(({ toolName }) => toolName), text: await running.text };
    },
  };
}

/** What of LangChain's models is used. */
interface Bindable {
  bindTools(tools: ToolJson[]): Bound;
}
interface Bound {
  invoke(messages: BaseMessage[]): Promise<AIMessageChunk>;
  stream(messages: BaseMessage[]): Promise<AsyncIterable<AIMessageChunk>>;
}
interface ToolJson {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: typeof toolSchema };
}

function langChain(
  name: string,
  modelOf: (target: ClientTarget) => Bindable,
  streamedUsage?: Client['streamedUsage'],
): Client {
  const tools = toolNames.map((each) => ({
    type: 'function' as const,
    function: { name: each, description: `Tells the ${each}`, parameters: toolSchema },
  }));
  const ask = async (bound: Bound, messages: BaseMessage[], stream: boolean) => {
    if (!stream) return bound.invoke(messages);
    let whole: AIMessageChunk | undefined;
    for await (const chunk of await bound.stream(messages)) whole = whole === undefined ? chunk : concat(whole, chunk);
    if (whole === undefined) throw new Error('an empty stream');
    return whole;
  };
  return {
    name,
    streamedUsage,
    async say(target, stream) {
      const reply = await ask(modelOf(target).bindTools([]), [new HumanMessage(greeting)], stream);
      return { text: reply.text, inputTokens: reply.usage_metadata?.input_tokens };
    },
    async round(target, stream) {
      const bound = modelOf(target).bindTools(tools);
      const messages: BaseMessage[] = [new HumanMessage(errand)];
      const reply = await ask(bound, messages, stream);
      const calls = reply.tool_calls ?? [];
      messages.push(reply);
      for (const call of calls)
        messages.push(new ToolMessage({ tool_call_id: call.id ?? '', name: call.name, content: resultOf(call.name) }));
      const second = await ask(bound, messages, stream);
      return { called: calls.map((call) => call.name), text: second.text };
    },
  };
}

function openRouter(version: string): Client {
  const tools = toolNames.map((name) => ({
    type: 'function' as const,
    function: { name, description: `Tells the ${name}`, parameters: toolSchema },
  }));
  type Message = Parameters<OpenRouter['chat']['send']>[0]['chatRequest']['messages'][number];
  const ask = async ({ url, apiKey, model }: ClientTarget, messages: Message[], stream: boolean) => {
    const client = new OpenRouter({ apiKey, serverURL: `${url}/v1` });
    const request = { model, messages, tools };
    if (!stream) {
      const reply = await client.chat.send({ chatRequest: { ...request, stream: false as const } });
      if (!('choices' in reply)) throw new Error('a stream was not asked for');
      const message = reply.choices[0]?.message;
      const calls = message?.toolCalls ?? [];
      return { text: String(message?.content ?? ''), calls, inputTokens: reply.usage?.promptTokens };
    }
    let text = '';
    let inputTokens: number | undefined;
    const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
    const running = await client.chat.send({
      chatRequest: { ...request, stream: true as const },
    });
    if (!(Symbol.asyncIterator in running)) throw new Error('a stream was asked for');
    for await (const chunk of running) {
      const delta = chunk.choices[0]?.delta;
      text += delta?.content ?? '';
      inputTokens = chunk.usage?.promptTokens ?? inputTokens;
      for (const call of delta?.toolCalls ?? []) {
        const known = (calls[call.index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
        known.id ||= call.id ?? '';
        known.function.name ||= call.function?.name ?? '';
        known.function.arguments += call.function?.arguments ?? '';
      }
    }
    return { text, calls, inputTokens };
  };
  return {
    name: `@openrouter/sdk ${version}`,
    streamedUsage: 'unasked',
    say: (target, stream) => ask(target, [{ role: 'user', content: greeting }], stream),
    async round(target, stream) {
      const messages: Message[] = [{ role: 'user', content: errand }];
      const { text, calls } = await ask(target, messages, stream);
      messages.push({ role: 'assistant', content: text, toolCalls: [...calls] });
      for (const call of calls)
        messages.push({ role: 'tool', toolCallId: call.id, content: resultOf(call.function.name) });
      const second = await ask(target, messages, stream);
      return { called: calls.map((call) => call.function.name), text: second.text };
    },
  };
}

export const frameworkClients = (versions: Readonly<Record<string, string>>): readonly Client[] => [
  aiSdk(`ai ${versions['ai']} with @ai-sdk/openai ${versions['@ai-sdk/openai']}`, ({ url, apiKey, model }) =>
    createOpenAI({ baseURL: `${url}/v1`, apiKey })(model),
  ),
  aiSdk(`ai ${versions['ai']} with @ai-sdk/anthropic ${versions['@ai-sdk/anthropic']}`, ({ url, apiKey, model }) =>
    createAnthropic({ baseURL: `${url}/v1`, apiKey })(model),
  ),
  aiSdk(`ai ${versions['ai']} with @ai-sdk/google ${versions['@ai-sdk/google']}`, ({ url, apiKey, model }) =>
    createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey })(model),
  ),
  aiSdk(
    `ai ${versions['ai']} with @ai-sdk/openai-compatible ${versions['@ai-sdk/openai-compatible']}`,
    ({ url, apiKey, model }) =>
      createOpenAICompatible({ name: 'tollgate', baseURL: `${url}/v1`, apiKey, includeUsage: true })(model),
  ),
  langChain(
    `@langchain/openai ${versions['@langchain/openai']}`,
    ({ url, apiKey, model }) =>
      new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL: `${url}/v1` } }),
  ),
  langChain(
    `@langchain/anthropic ${versions['@langchain/anthropic']}`,
    ({ url, apiKey, model }) => new ChatAnthropic({ model, apiKey, maxRetries: 0, anthropicApiUrl: url }),
    'at-start',
  ),
  langChain(
    `@langchain/google-genai ${versions['@langchain/google-genai']}`,
    ({ url, apiKey, model }) => new ChatGoogleGenerativeAI({ model, apiKey, maxRetries: 0, baseUrl: url }),
  ),
  openRouter(versions['@openrouter/sdk'] ?? ''),
];
