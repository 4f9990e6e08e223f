// OpenAI's own SDK, in two majors, by chat and by responses.

import OpenAI7 from 'openai';
import OpenAI6 from 'openai-6';
import { errand, greeting, resultOf, toolNames, toolSchema } from './client.ts';
import type { Client, ClientTarget } from './client.ts';

const chatTools = toolNames.map((name) => ({
  type: 'function' as const,
  function: { name, description: `Tells the ${name}`, parameters: toolSchema },
}));
const responseTools = toolNames.map((name) => ({
  type: 'function' as const,
  name,
  description: `Tells the ${name}`,
  parameters: toolSchema,
  strict: true,
}));

type Maker = (target: ClientTarget) => OpenAI7;
const seven: Maker = ({ url, apiKey }) => new OpenAI7({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const six: Maker = ({ url, apiKey }: ClientTarget) => new OpenAI6({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

type Messages = OpenAI7.ChatCompletionMessageParam[];

function chat(name: string, make: Maker): Client {
  const ask = async (target: ClientTarget, messages: Messages, stream: boolean, withTools: boolean) => {
    const request = { model: target.model, messages, ...(withTools ? { tools: chatTools } : {}) };
    if (!stream) {
      const reply = await make(target).chat.completions.create(request);
      return { message: reply.choices[0]?.message, usage: reply.usage };
    }
    const running = make(target).chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    const final = await running.finalChatCompletion();
    return { message: final.choices[0]?.message, usage: final.usage };
  };
  return {
    name,
    async say(target, stream) {
      const { message, usage } = await ask(target, [{ role: 'user', content: greeting }], stream, false);
      return { text: message?.content ?? '', inputTokens: usage?.prompt_tokens };
    },
    async round(target, stream) {
      const messages: Messages = [{ role: 'user', content: errand }];
      const { message } = await ask(target, messages, stream, true);
      const calls = (message?.tool_calls ?? []).flatMap((call) => (call.type === 'function' ? [call] : []));
      if (message !== undefined) messages.push(message);
      for (const call of calls)
        messages.push({ role: 'tool', tool_call_id: call.id, content: resultOf(call.function.name) });
      const second = await ask(target, messages, stream, true);
      for (const call of calls) JSON.parse(call.function.arguments);
      return { called: calls.map((call) => call.function.name), text: second.message?.content ?? '' };
    },
  };
}

function responses(name: string, make: Maker): Client {
  const ask = async (
    target: ClientTarget,
    input: OpenAI7.Responses.ResponseInput,
    stream: boolean,
    withTools: boolean,
  ): Promise<OpenAI7.Responses.Response> => {
    const request = { model: target.model, input, store: false, ...(withTools ? { tools: responseTools } : {}) };
    if (!stream) return make(target).responses.create(request);
    return make(target).responses.stream(request).finalResponse();
  };
  return {
    name,
    async say(target, stream) {
      const reply = await ask(target, [{ role: 'user', content: greeting }], stream, false);
      return { text: reply.output_text, inputTokens: reply.usage?.input_tokens };
    },
    async round(target, stream) {
      const input: OpenAI7.Responses.ResponseInput = [{ role: 'user', content: errand }];
      const reply = await ask(target, input, stream, true);
      const calls = reply.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
      for (const item of reply.output)
        if (item.type === 'function_call' || item.type === 'message' || item.type === 'reasoning') input.push(item);
      for (const call of calls)
        input.push({ type: 'function_call_output', call_id: call.call_id, output: resultOf(call.name) });
      const second = await ask(target, input, stream, true);
      for (const call of calls) JSON.parse(call.arguments);
      return { called: calls.map((call) => call.name), text: second.output_text };
    },
  };
}

export const openAiClients = (version7: string, version6: string): readonly Client[] => [
  chat(`openai ${version7} chat`, seven),
  responses(`openai ${version7} responses`, seven),
  chat(`openai ${version6} chat`, six),
  responses(`openai ${version6} responses`, six),
];
