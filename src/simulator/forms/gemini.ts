// Gemini's generateContent: every event is a reply of its own, and the last one has the finish reason and the usage.

import { usageJson } from '../answer.ts';
import type { Answer, Frame, UsageText } from '../answer.ts';
import { callsOf, textOf } from '../said.ts';
import type { Choice, Generation } from '../said.ts';
import type { Script } from '../script.ts';
import { arrayHeaders, event, streamReply } from '../wire.ts';
import type { Form } from './form.ts';

const words: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'PERMISSION_DENIED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const errorJson = (code: number, message: string, status: string): string =>
  JSON.stringify({ error: { code, message, status } });

export const geminiForm: Form = {
  event,
  error(status, message, type) {
    // A success that holds an error says in its body what it should have said in its head.
    const code = status >= 400 ? status : type.startsWith('rate_limit') ? 429 : 503;
    return errorJson(code, message, words[code] ?? 'UNKNOWN');
  },
  errorEvent: (message) => event(errorJson(503, message, 'UNAVAILABLE')),
  honestUsage: ({ prompt, completion, cached, reasoning }) =>
    `{"promptTokenCount":${prompt},"candidatesTokenCount":${completion - reasoning},` +
    `"totalTokenCount":${prompt + completion}${cached > 0 ? `,"cachedContentTokenCount":${cached}` : ''}` +
    `${reasoning > 0 ? `,"thoughtsTokenCount":${reasoning}` : ''}}`,
  usage(prompt, completion, total, cached, reasoning) {
    const read = cached === undefined ? '' : `,"cachedContentTokenCount":${cached}`;
    const thought = reasoning === undefined ? '' : `,"thoughtsTokenCount":${reasoning}`;
    const totals = `"candidatesTokenCount":${completion},"totalTokenCount":${total}`;
    return `{"promptTokenCount":${prompt},${totals}${read}${thought}}`;
  },
};

const finishReasons = { stop: 'STOP', length: 'MAX_TOKENS', tool_calls: 'STOP' } as const;

function partsOf(choice: Choice, id: string): readonly string[] {
  const calls = callsOf(choice, id);
  if (calls.length === 0) return [JSON.stringify({ text: textOf(choice) })];
  return calls.map(({ function: called }) => callPart(called.name, called.arguments));
}

function callPart(name: string, text: string): string {
  let args = '{}';
  try {
    JSON.parse(text);
    args = text;
  } catch {
    // The limit on output cut them off.
  }
  return `{"functionCall":{"name":${JSON.stringify(name)},"args":${args}},"thoughtSignature":"c2lt"}`;
}

function candidate(index: number, parts: readonly string[], finishReason: string | undefined): string {
  const finish = finishReason === undefined ? '' : `,"finishReason":"${finishReason}"`;
  return `{"content":{"parts":[${parts.join(',')}],"role":"model"}${finish},"index":${index}}`;
}

function replyJson(generation: Generation, candidates: readonly string[], usage: string | undefined): string {
  return (
    `{"candidates":[${candidates.join(',')}]${usage === undefined ? '' : `,"usageMetadata":${usage}`},` +
    `"modelVersion":${JSON.stringify(generation.model)},"responseId":"${generation.id.slice(-19)}"}`
  );
}

function* renderFrames(generation: Generation, usageText: UsageText): Generator<Frame, void, undefined> {
  const { choices } = generation;
  const longest = choices.reduce((most, { pieces }) => Math.max(most, pieces), 0);
  for (let at = 0; at < longest; at++) {
    for (const [index, choice] of choices.entries()) {
      if (at >= choice.pieces) continue;
      const piece = choice.piece(at);
      if (piece.kind === 'text') yield { kind: 'content', json: textFrame(generation, piece.text, index) };
    }
  }
  // A call comes whole, and each in an event of its own.
  for (const [index, choice] of choices.entries()) {
    for (const { function: called } of callsOf(choice, generation.id)) {
      const part = callPart(called.name, called.arguments);
      yield { kind: 'content', json: replyJson(generation, [candidate(index, [part], undefined)], undefined) };
    }
  }
  const usage = usageJson(usageText, () => geminiForm.honestUsage(generation.usage));
  const ended = choices.map(({ finishReason }, index) =>
    candidate(index, ['{"text":""}'], finishReasons[finishReason]),
  );
  yield { kind: 'finish', json: replyJson(generation, ended, usage) };
}

const textFrame = (generation: Generation, text: string, index: number): string =>
  replyJson(generation, [candidate(index, [JSON.stringify({ text })], undefined)], undefined);

/** A stream without `alt=sse`: one array, spaced as Google's. */
export function geminiArray({ frames, timing }: Answer): Script {
  function* elements(): Generator<string, void, undefined> {
    let before = '[';
    for (const { json } of frames()) {
      yield before + JSON.stringify(JSON.parse(json), null, 2);
      before = '\n,\r\n';
    }
    yield '\n]';
  }
  return streamReply(elements(), timing, arrayHeaders);
}

export function geminiAnswer(generation: Generation): Omit<Answer, 'stream' | 'timing'> {
  return {
    wantsUsage: true,
    usage: generation.usage,
    form: geminiForm,
    body(usageText = 'honest') {
      const usage = usageJson(usageText, () => geminiForm.honestUsage(generation.usage));
      const candidates = generation.choices.map((choice, index) =>
        candidate(index, partsOf(choice, generation.id), finishReasons[choice.finishReason]),
      );
      return replyJson(generation, candidates, usage);
    },
    frames: (usage = 'honest') => renderFrames(generation, usage),
    done: () => '',
    contentFrame: (text) => textFrame(generation, text, 0),
  };
}
