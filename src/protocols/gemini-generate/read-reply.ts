// What a reply of Gemini's says, whole or as one event of a stream: both have the same form, so one reader serves both.

import type { Citation, JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ReplySink, Stop, StopKind, TokenLogprob, UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import { booleanOf, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { mediaPart, signatureOf } from './parse-contents.ts';

const choicesMax = 128;

interface ChoiceState {
  next: number;
  current: { readonly kind: 'text' | 'thinking'; readonly block: number } | undefined;
  calls: boolean;
  finished: boolean;
}

export class GeminiReplyReader {
  readonly #sink: ReplySink;
  readonly #choices = new Map<number, ChoiceState>();
  #headed = false;
  #blocked = false;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  get finished(): boolean {
    if (this.#blocked) return true;
    if (this.#choices.size === 0) return false;
    for (const { finished } of this.#choices.values()) if (!finished) return false;
    return true;
  }

  read(body: JsonObject): void {
    const sink = this.#sink;
    if (isObject(body['error'])) {
      sink.failed(errorWords(body['error']));
      return;
    }
    if (!this.#headed) {
      this.#headed = true;
      sink.head({ id: stringOf(body['responseId']), model: stringOf(body['modelVersion']) });
    }
    for (const each of listOf(body['candidates'])) this.#candidate(objectOf(each));
    const usage = body['usageMetadata'];
    // Vertex heads its streams with a block that counts nothing.
    if (isObject(usage) && usage['promptTokenCount'] !== undefined) sink.usage(usage);
    const blocked = stringOf(objectOf(body['promptFeedback'])['blockReason']);
    if (blocked === undefined) return;
    this.#blocked = true;
    sink.stop(0, { kind: 'content-filter', native: blocked });
  }

  #candidate(candidate: JsonObject): void {
    const index = numberOf(candidate['index']) ?? 0;
    if (!Number.isInteger(index) || index < 0 || index >= choicesMax) return;
    let state = this.#choices.get(index);
    if (state === undefined) {
      state = { next: 0, current: undefined, calls: false, finished: false };
      this.#choices.set(index, state);
    }
    for (const part of listOf(objectOf(candidate['content'])['parts'])) this.#part(index, state, objectOf(part));
    this.#beside(index, state, candidate);
    const reason = stringOf(candidate['finishReason']);
    if (reason === undefined || reason === 'FINISH_REASON_UNSPECIFIED') return;
    state.finished = true;
    this.#sink.stop(index, stopOf(reason, state.calls));
  }

  #part(index: number, state: ChoiceState, part: JsonObject): void {
    const sink = this.#sink;
    const signature = signatureOf(part['thoughtSignature']);
    const text = stringOf(part['text']);
    if (isObject(part['functionCall'])) {
      const called = part['functionCall'];
      const block = state.next++;
      state.current = undefined;
      state.calls = true;
      sink.blockStart(index, block, {
        kind: 'tool-call',
        id: stringOf(called['id']) || undefined,
        name: stringOf(called['name']) ?? '',
      });
      sink.delta(index, block, JSON.stringify(called['args'] ?? {}));
      if (signature !== undefined) sink.annotate(index, block, { kind: 'signature', signature });
      sink.blockEnd(index, block);
      return;
    }
    if (text !== undefined) {
      const kind = booleanOf(part['thought']) === true ? 'thinking' : 'text';
      if (text !== '') sink.delta(index, this.#blockFor(index, state, kind), text);
      // The signature of a text has no place elsewhere, and Google does not demand it back.
      if (signature !== undefined && kind === 'thinking')
        sink.annotate(index, this.#blockFor(index, state, kind), { kind: 'signature', signature });
      return;
    }
    const media = mediaPart(part);
    const type = Object.keys(part).find((name) => name !== 'thoughtSignature' && name !== 'thought');
    if (media === undefined && type === undefined) return;
    const block = state.next++;
    state.current = undefined;
    if (media !== undefined) sink.blockStart(index, block, { kind: 'media', part: media });
    else {
      const native = { kind: 'native', protocol: 'gemini-generate', type: type ?? '', value: part } as const;
      sink.blockStart(index, block, { kind: 'native', part: native });
    }
    sink.blockEnd(index, block);
  }

  #blockFor(index: number, state: ChoiceState, kind: 'text' | 'thinking'): number {
    if (state.current?.kind === kind) return state.current.block;
    const block = state.next++;
    state.current = { kind, block };
    this.#sink.blockStart(index, block, { kind });
    return block;
  }

  #beside(index: number, state: ChoiceState, candidate: JsonObject): void {
    const tokens = logprobsOf(objectOf(candidate['logprobsResult']));
    const cited = citationsOf(candidate);
    if (tokens.length === 0 && cited.length === 0) return;
    const block = this.#blockFor(index, state, state.current?.kind ?? 'text');
    if (tokens.length > 0) this.#sink.annotate(index, block, { kind: 'logprobs', tokens });
    for (const citation of cited) this.#sink.annotate(index, block, { kind: 'citation', citation });
  }
}

function citationsOf(candidate: JsonObject): readonly Citation[] {
  const grounding = objectOf(candidate['groundingMetadata']);
  const pages = listOf(grounding['groundingChunks']).map((each) => objectOf(objectOf(each)['web']));
  const cited = pages.flatMap((page): Citation[] => {
    const url = stringOf(page['uri']);
    return url === undefined ? [] : [{ url, title: stringOf(page['title']) }];
  });
  const sources = listOf(objectOf(candidate['citationMetadata'])['citationSources']).flatMap((each): Citation[] => {
    const source = objectOf(each);
    const url = stringOf(source['uri']);
    if (url === undefined) return [];
    return [{ url, start: numberOf(source['startIndex']), end: numberOf(source['endIndex']) }];
  });
  return [...cited, ...sources];
}

function logprobsOf(result: JsonObject): readonly TokenLogprob[] {
  const tops = listOf(result['topCandidates']);
  return listOf(result['chosenCandidates']).flatMap((each, index): TokenLogprob[] => {
    const one = tokenOf(each);
    if (one === undefined) return [];
    const top = listOf(objectOf(tops[index])['candidates']).flatMap((other) => tokenOf(other) ?? []);
    return [{ ...one, top }];
  });
}

function tokenOf(value: JsonValue): Omit<TokenLogprob, 'top'> | undefined {
  const fields = objectOf(value);
  const token = stringOf(fields['token']);
  const logprob = numberOf(fields['logProbability']);
  return token === undefined || logprob === undefined ? undefined : { token, logprob };
}

const kinds: Readonly<Record<string, StopKind>> = {
  STOP: 'end',
  MAX_TOKENS: 'length',
  MALFORMED_FUNCTION_CALL: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
  MALFORMED_RESPONSE: 'error',
};

/** Gemini says `STOP` when it calls functions. All that is not listed is a filter's word. */
function stopOf(reason: string, calls: boolean): Stop {
  const kind = Object.hasOwn(kinds, reason) ? (kinds[reason] ?? 'end') : 'content-filter';
  return { kind: kind === 'end' && calls ? 'tool-calls' : kind, native: reason };
}

export function errorWords(error: JsonObject): UpstreamErrorText {
  const code = error['code'];
  return {
    message: stringOf(error['message']) ?? 'The upstream gave no reason.',
    type: stringOf(error['status']),
    code: typeof code === 'number' ? String(code) : undefined,
  };
}

/** Google also sends errors in a list of one. */
export function readError(body: JsonValue): UpstreamErrorText | undefined {
  const [first] = listOf(body);
  const error = objectOf(objectOf(first ?? body)['error']);
  return stringOf(error['message']) === undefined ? undefined : errorWords(error);
}
