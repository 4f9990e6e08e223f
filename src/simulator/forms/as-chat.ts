// Requests of the other protocols in the words of a chat request, as far as the simulator reads any: what was said
// last, which tools there are, and the limits.

import { Refusal } from '../refusal.ts';
import { contentText, isFields, listOf } from '../fields.ts';
import type { Fields } from '../fields.ts';

/** A function on offer. */
const tool = (name: unknown, parameters: unknown): Fields => ({ type: 'function', function: { name, parameters } });

export function anthropicAsChat(fields: Fields): Fields {
  if (typeof fields.max_tokens !== 'number') throw new Refusal('max_tokens: Field required', { param: 'max_tokens' });
  const messages = listOf(fields.messages).map((message) => {
    const { role, content } = isFields(message) ? message : {};
    const results = listOf(content).filter((part) => isFields(part) && part.type === 'tool_result');
    if (results.length === 0) return { role, content };
    return { role: 'tool', content: results.map((part) => contentText(isFields(part) ? part.content : '')).join('\n') };
  });
  const choice = isFields(fields.tool_choice) ? fields.tool_choice : {};
  return {
    messages: [...(fields.system === undefined ? [] : [{ role: 'system', content: fields.system }]), ...messages],
    max_tokens: fields.max_tokens,
    stream: fields.stream,
    tools: listOf(fields.tools).map((each) => (isFields(each) ? tool(each.name, each.input_schema) : each)),
    tool_choice:
      choice.type === 'any'
        ? 'required'
        : choice.type === 'tool'
          ? { type: 'function', function: { name: choice.name } }
          : choice.type,
    parallel_tool_calls: choice.disable_parallel_tool_use === true ? false : undefined,
  };
}

export function responsesAsChat(fields: Fields): Fields {
  const items: readonly unknown[] =
    typeof fields.input === 'string' ? [{ role: 'user', content: fields.input }] : listOf(fields.input);
  const messages = items.flatMap((item): Fields[] => {
    if (!isFields(item)) return [];
    if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output')
      return [{ role: 'tool', content: contentText(item.output) }];
    if (item.type === 'function_call' || item.type === 'reasoning') return [];
    return typeof item.role === 'string' ? [{ role: item.role, content: item.content }] : [];
  });
  const instructions =
    typeof fields.instructions === 'string' ? [{ role: 'system', content: fields.instructions }] : [];
  const choice = fields.tool_choice;
  return {
    messages: [...instructions, ...messages],
    max_tokens: fields.max_output_tokens,
    stream: fields.stream,
    tools: listOf(fields.tools).map((each) =>
      isFields(each) && each.type === 'function' ? tool(each.name, each.parameters) : each,
    ),
    tool_choice: isFields(choice) ? { type: 'function', function: { name: choice.name } } : choice,
    parallel_tool_calls: fields.parallel_tool_calls,
  };
}

export function geminiAsChat(fields: Fields, stream: boolean): Fields {
  const messages = listOf(fields.contents).map((content): Fields => {
    const parts = listOf(isFields(content) ? content.parts : undefined).filter(isFields);
    const results = parts.filter((part) => isFields(part.functionResponse));
    const text = parts.map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
    if (results.length > 0) {
      const said = results.map(({ functionResponse }) =>
        JSON.stringify(isFields(functionResponse) ? functionResponse.response : {}),
      );
      return { role: 'tool', content: said.join('\n') };
    }
    return { role: isFields(content) && content.role === 'model' ? 'assistant' : 'user', content: text };
  });
  const config = isFields(fields.generationConfig) ? fields.generationConfig : {};
  const calling = isFields(fields.toolConfig) && isFields(fields.toolConfig.functionCallingConfig);
  const mode =
    calling && isFields(fields.toolConfig) && isFields(fields.toolConfig.functionCallingConfig)
      ? fields.toolConfig.functionCallingConfig.mode
      : undefined;
  const { systemInstruction } = fields;
  const instructed = isFields(systemInstruction) ? contentText(systemInstruction.parts) : '';
  return {
    messages: [...(instructed === '' ? [] : [{ role: 'system', content: instructed }]), ...messages],
    max_tokens: config.maxOutputTokens,
    n: config.candidateCount,
    stream,
    tools: listOf(fields.tools).flatMap((each) =>
      listOf(isFields(each) ? each.functionDeclarations : undefined).map((declared) =>
        isFields(declared) ? tool(declared.name, declared.parametersJsonSchema ?? declared.parameters) : declared,
      ),
    ),
    tool_choice: mode === 'ANY' ? 'required' : mode === 'NONE' ? 'none' : undefined,
  };
}
