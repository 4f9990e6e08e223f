// Anthropic's and Google's own SDKs, of two majors each.

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import type { Content, GenerateContentResponse, Part } from '@google/genai';
import Anthropic0 from 'anthropic-sdk-0';
import { GoogleGenAI as GoogleGenAI2 } from 'genai-2';
import { errand, greeting, resultOf, toolNames, toolSchema } from './client.ts';
import type { Client, ClientTarget } from './client.ts';

const messageTools = toolNames.map((name) => ({ name, description: `Tells the ${name}`, input_schema: toolSchema }));

export const anthropicClients = (version: string, olderVersion: string): readonly Client[] => [
  anthropicClient(Anthropic, version),
  anthropicClient(Anthropic0, olderVersion),
];

export const geminiClients = (version: string, olderVersion: string): readonly Client[] => [
  geminiClient(GoogleGenAI, version),
  geminiClient(GoogleGenAI2, olderVersion),
];

function anthropicClient(Sdk: typeof Anthropic, version: string): Client {
  const ask = async (target: ClientTarget, messages: Anthropic.MessageParam[], stream: boolean, withTools: boolean) => {
    const client = new Sdk({ baseURL: target.url, apiKey: target.apiKey, maxRetries: 0 });
    const request = { model: target.model, max_tokens: 1_000, messages, ...(withTools ? { tools: messageTools } : {}) };
    return stream ? client.messages.stream(request).finalMessage() : client.messages.create(request);
  };
  const textOf = (message: Anthropic.Message) =>
    message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  return {
    name: `@anthropic-ai/sdk ${version}`,
    async say(target, stream) {
      const message = await ask(target, [{ role: 'user', content: greeting }], stream, false);
      return { text: textOf(message), inputTokens: message.usage.input_tokens };
    },
    async round(target, stream) {
      const messages: Anthropic.MessageParam[] = [{ role: 'user', content: errand }];
      const message = await ask(target, messages, stream, true);
      const calls = message.content.flatMap((block) => (block.type === 'tool_use' ? [block] : []));
      messages.push({ role: 'assistant', content: message.content });
      messages.push({
        role: 'user',
        content: calls.map(({ id, name }) => ({ type: 'tool_result', tool_use_id: id, content: resultOf(name) })),
      });
      const second = await ask(target, messages, stream, true);
      return { called: calls.map(({ name }) => name), text: textOf(second) };
    },
  };
}

function geminiClient(Sdk: typeof GoogleGenAI, version: string): Client {
  const tools = [
    {
      functionDeclarations: toolNames.map((name) => ({
        name,
        description: `Tells the ${name}`,
        parametersJsonSchema: toolSchema,
      })),
    },
  ];
  const ask = async (target: ClientTarget, contents: Content[], stream: boolean, withTools: boolean) => {
    const client = new Sdk({ apiKey: target.apiKey, httpOptions: { baseUrl: target.url } });
    const request = { model: target.model, contents, ...(withTools ? { config: { tools } } : {}) };
    const replies: GenerateContentResponse[] = [];
    if (stream) for await (const reply of await client.models.generateContentStream(request)) replies.push(reply);
    else replies.push(await client.models.generateContent(request));
    const parts: Part[] = replies.flatMap((reply) => reply.candidates?.[0]?.content?.parts ?? []);
    return { parts, usage: replies.at(-1)?.usageMetadata };
  };
  const textOf = (parts: readonly Part[]) => parts.map(({ text }) => text ?? '').join('');
  return {
    name: `@google/genai ${version}`,
    async say(target, stream) {
      const { parts, usage } = await ask(target, [{ role: 'user', parts: [{ text: greeting }] }], stream, false);
      return { text: textOf(parts), inputTokens: usage?.promptTokenCount };
    },
    async round(target, stream) {
      const contents: Content[] = [{ role: 'user', parts: [{ text: errand }] }];
      const { parts } = await ask(target, contents, stream, true);
      const calls = parts.flatMap(({ functionCall }) => (functionCall === undefined ? [] : [functionCall]));
      contents.push({ role: 'model', parts });
      contents.push({
        role: 'user',
        parts: calls.map(({ id, name = '' }) => ({
          functionResponse: { id, name, response: { output: resultOf(name) } },
        })),
      });
      const second = await ask(target, contents, stream, true);
      return { called: calls.map(({ name }) => name ?? ''), text: textOf(second.parts) };
    },
  };
}
