// Chat and legacy completions: what is answered depends on the request alone. Text comes back as it was sent,
// piece by piece; each piece counts as one token of output and every four bytes of text begun as one of
// input.

import type { Answer, Frame, UsageText } from './answer.ts';
import { usageJson } from './answer.ts';
import { readDirectives } from './directives.ts';
import type { Directives } from './directives.ts';
import { contentText, isFields, listOf, optionalInteger, tokensOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { Refusal } from './refusal.ts';
import { anthropicAnswer } from './forms/anthropic.ts';
import { geminiAnswer } from './forms/gemini.ts';
import { openAiForm } from './forms/openai.ts';
import { responsesAnswer } from './forms/responses.ts';
import { toolCallsFor } from './tool-calls.ts';
import type { ToolCall } from './tool-calls.ts';
import { doneEvent } from './wire.ts';
import { callId, callsOf, createdAt, textOf } from './said.ts';
import type { Choice, Generation, Piece } from './said.ts';
import type { Timing } from './wire.ts';

/** Bytes of text in all choices of one reply. */
const replyBytesMax = 64 * 1024 * 1024;
const argumentPieces = /[^]{1,8}/gu;

export interface GenerationRequest {
  readonly operation: 'chat' | 'completions';
  /** In whose form the answer is given. The fields are those of a chat request, whatever the protocol. */
  readonly protocol: 'openai' | 'anthropic' | 'gemini' | 'responses';
  readonly fields: Fields;
  /** Model name without directives. */
  readonly model: string;
  readonly directives: Directives;
  /** Wait between events where no directive says otherwise. */
  readonly gapMs: number;
  /** Hash of the request's bytes. */
  readonly hash: string;
}

/** Words with the blanks before them; joined they are the text. */
function splitText(text: string): readonly string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** Piece `at` of an answer that was asked for by number; distinct, so that a lost or doubled one shows. */
function numberedPiece(at: number, size: number | undefined): string {
  const text = ` tok${at}`;
  return size === undefined ? text : text.padEnd(size, '.').slice(0, size);
}

function callPieces(calls: readonly ToolCall[]): readonly Piece[] {
  return calls.flatMap(({ name, arguments: text }, index): Piece[] => [
    { kind: 'call', index, name },
    ...(text.match(argumentPieces) ?? []).map((part): Piece => ({ kind: 'arguments', index, text: part })),
  ]);
}

function makeChoice(
  text: string,
  calls: readonly ToolCall[],
  directives: Directives,
  limit: number | undefined,
): Choice {
  const { chunks, size } = directives;
  const said: readonly Piece[] =
    calls.length > 0
      ? callPieces(calls)
      : chunks === undefined
        ? splitText(text).map((part): Piece => ({ kind: 'text', text: part }))
        : [];
  const whole = calls.length === 0 && chunks !== undefined ? chunks : said.length;
  const pieces = limit === undefined ? whole : Math.min(whole, limit);
  return {
    pieces,
    piece: (at) => said[at] ?? { kind: 'text', text: numberedPiece(at, size) },
    finishReason: pieces < whole ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop',
  };
}

interface Prompted {
  /** What each choice answers to; `n` choices for each. */
  readonly texts: readonly string[];
  readonly inputTokens: number;
  readonly calls: readonly ToolCall[];
  readonly directives: Directives;
}

function readChatPrompt(fields: Fields): Prompted {
  const messages = listOf(fields.messages);
  if (messages.length === 0)
    throw new Refusal("'messages' must be a list with at least one message", { param: 'messages' });
  let bytes = 0;
  let last = '';
  let lastUser = '';
  let lastRole: unknown;
  for (const [index, message] of messages.entries()) {
    if (!isFields(message) || typeof message.role !== 'string') {
      throw new Refusal('a message must be an object with a role', { param: `messages[${index}]` });
    }
    const text = contentText(message.content);
    bytes += Buffer.byteLength(text);
    // What agents say to the model between turns does not answer anybody.
    if (message.role !== 'system' && message.role !== 'developer') lastRole = message.role;
    if (message.role === 'user' || message.role === 'tool') last = text;
    if (message.role === 'user') lastUser = text;
  }
  const { directives } = readDirectives(lastUser);
  const calls = lastRole === 'user' ? toolCallsFor(fields, lastUser) : [];
  return { texts: [readDirectives(last).text], inputTokens: tokensOf(bytes), calls, directives };
}

function readTextPrompt(fields: Fields): Prompted {
  const { prompt } = fields;
  const isTokens = (value: unknown) =>
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number');
  const prompts: readonly unknown[] = typeof prompt === 'string' || isTokens(prompt) ? [prompt] : listOf(prompt);
  if (prompts.length === 0)
    throw new Refusal("'prompt' must be a string, a list of strings or of tokens", { param: 'prompt' });
  let inputTokens = 0;
  let directives: Directives = {};
  const texts = prompts.map((each, index) => {
    if (typeof each === 'string') {
      inputTokens += tokensOf(Buffer.byteLength(each));
      const read = readDirectives(each);
      directives = { ...directives, ...read.directives };
      return read.text;
    }
    if (!isTokens(each))
      throw new Refusal('a prompt must be a string or a list of tokens', { param: `prompt[${index}]` });
    inputTokens += listOf(each).length;
    return listOf(each)
      .map((token) => ` ${String(token)}`)
      .join('');
  });
  return { texts, inputTokens, calls: [], directives };
}

function checkSize(choices: readonly Choice[], size: number | undefined): void {
  const bytes = choices.reduce((sum, { pieces }) => sum + pieces * (size ?? 12), 0);
  if (bytes > replyBytesMax) throw new Refusal(`chunks, size and n ask for more than ${replyBytesMax} bytes`);
}

function readGeneration(request: GenerationRequest): Generation & { readonly timing: Timing } {
  const { fields, operation } = request;
  const prompted = operation === 'chat' ? readChatPrompt(fields) : readTextPrompt(fields);
  const directives = { ...request.directives, ...prompted.directives };
  const n = optionalInteger(fields, 'n', 1, 128) ?? 1;
  const limit =
    optionalInteger(fields, 'max_completion_tokens', 1, 2 ** 31) ?? optionalInteger(fields, 'max_tokens', 1, 2 ** 31);
  const choices = prompted.texts.flatMap((text) => {
    const choice = makeChoice(text, prompted.calls, directives, limit);
    return Array.from({ length: n }, () => choice);
  });
  checkSize(choices, directives.size);
  const produced = choices.reduce((sum, { pieces }) => sum + pieces, 0);
  const reasoning = directives.reasoning ?? 0;
  return {
    operation,
    id: `${operation === 'chat' ? 'chatcmpl' : 'cmpl'}-sim${request.hash}`,
    model: request.model,
    choices,
    usage: {
      prompt: prompted.inputTokens,
      completion: produced + reasoning,
      cached: Math.min(directives.cached ?? 0, prompted.inputTokens),
      reasoning,
    },
    wantsUsage: isFields(fields.stream_options) && fields.stream_options.include_usage === true,
    timing: {
      delayMs: directives.delay ?? 0,
      firstMs: directives.first ?? 0,
      gapMs: directives.gap ?? request.gapMs,
    },
  };
}

function choiceJson(generation: Generation, choice: Choice, index: number): string {
  const end = { logprobs: null, finish_reason: choice.finishReason };
  if (generation.operation === 'completions') return JSON.stringify({ text: textOf(choice), index, ...end });
  const calls = callsOf(choice, generation.id);
  const message =
    calls.length > 0
      ? { role: 'assistant', content: null, refusal: null, tool_calls: calls }
      : { role: 'assistant', content: textOf(choice), refusal: null };
  return JSON.stringify({ index, message, ...end });
}

function renderBody(generation: Generation, choice: UsageText): string {
  const { operation, id, model, choices } = generation;
  const usage = usageJson(choice, () => openAiForm.honestUsage(generation.usage));
  return (
    `{"id":"${id}","object":"${operation === 'chat' ? 'chat.completion' : 'text_completion'}","created":${createdAt},` +
    `"model":${JSON.stringify(model)},"system_fingerprint":"fp_sim",` +
    `"choices":[${choices.map((each, index) => choiceJson(generation, each, index)).join(',')}]` +
    `${usage === undefined ? '' : `,"usage":${usage}`}}`
  );
}

function deltaJson(piece: Piece, id: string): string {
  switch (piece.kind) {
    case 'text':
      return `{"content":${JSON.stringify(piece.text)}}`;
    case 'call':
      return (
        `{"tool_calls":[{"index":${piece.index},"id":"${callId(id, piece.index)}","type":"function",` +
        `"function":{"name":${JSON.stringify(piece.name)},"arguments":""}}]}`
      );
    case 'arguments':
      return `{"tool_calls":[{"index":${piece.index},"function":{"arguments":${JSON.stringify(piece.text)}}}]}`;
  }
}

/** The parts of a frame that stay the same for a whole stream. */
function frameEnds(generation: Generation): { readonly before: string; readonly after: string } {
  const { operation, id, model, wantsUsage } = generation;
  return {
    before:
      `{"id":"${id}","object":"${operation === 'chat' ? 'chat.completion.chunk' : 'text_completion'}",` +
      `"created":${createdAt},"model":${JSON.stringify(model)},"system_fingerprint":"fp_sim","choices":[`,
    after: `]${wantsUsage ? ',"usage":null' : ''}}`,
  };
}

function pieceJson(generation: Generation, piece: Piece, index: number): string {
  const rest = '"logprobs":null,"finish_reason":null}';
  if (generation.operation === 'chat') return `{"index":${index},"delta":${deltaJson(piece, generation.id)},${rest}`;
  return `{"text":${JSON.stringify(piece.kind === 'text' ? piece.text : '')},"index":${index},${rest}`;
}

function* renderFrames(generation: Generation, choice: UsageText): Generator<Frame, void, undefined> {
  const { choices, operation } = generation;
  const { before, after } = frameEnds(generation);
  const longest = choices.reduce((most, { pieces }) => Math.max(most, pieces), 0);
  if (operation === 'chat') {
    const delta =
      choices[0]?.finishReason === 'tool_calls'
        ? '{"role":"assistant","content":null}'
        : '{"role":"assistant","content":""}';
    for (const index of choices.keys()) {
      yield {
        kind: 'open',
        json: `${before}{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":null}${after}`,
      };
    }
  }
  for (let at = 0; at < longest; at++) {
    for (const [index, each] of choices.entries()) {
      if (at >= each.pieces) continue;
      yield { kind: 'content', json: before + pieceJson(generation, each.piece(at), index) + after };
    }
  }
  for (const [index, { finishReason }] of choices.entries()) {
    const content = operation === 'chat' ? '"delta":{}' : '"text":""';
    yield {
      kind: 'finish',
      json: `${before}{"index":${index},${content},"logprobs":null,"finish_reason":"${finishReason}"}${after}`,
    };
  }
  const usage = generation.wantsUsage ? usageJson(choice, () => openAiForm.honestUsage(generation.usage)) : undefined;
  if (usage !== undefined) yield { kind: 'usage', json: `${before}],"usage":${usage}}` };
}

/** Throws Refusal for a request that cannot be read. */
export function answerGeneration(request: GenerationRequest): Answer {
  const generation = readGeneration(request);
  return { stream: request.fields.stream === true, timing: generation.timing, ...answerIn(request, generation) };
}

function answerIn({ protocol }: GenerationRequest, generation: Generation): Omit<Answer, 'stream' | 'timing'> {
  const [first] = generation.choices;
  if (protocol === 'gemini') return geminiAnswer(generation);
  if (first !== undefined && protocol === 'anthropic') return anthropicAnswer(generation, first);
  if (first !== undefined && protocol === 'responses') return responsesAnswer(generation, first);
  const { before, after } = frameEnds(generation);
  return {
    wantsUsage: generation.wantsUsage,
    usage: generation.usage,
    form: openAiForm,
    done: () => doneEvent,
    body: (usage = 'honest') => renderBody(generation, usage),
    frames: (usage = 'honest') => renderFrames(generation, usage),
    contentFrame: (text) => before + pieceJson(generation, { kind: 'text', text }, 0) + after,
  };
}
