// What a Gemini reply says, whole or as one event of a stream: both are the same object, so one reader serves both.

import type { Citation, JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { errorWords } from './error-body.ts';
import { isPlain, logprobsOf, mediaKind, signatureOf, sourceOfUri, standardBase64, stopOf } from './reply-words.ts';
import { hasCounts } from './usage-block.ts';

/** Choices of one request; what lies beyond cannot have been asked for. */
const choicesMax = 128;

interface ChoiceState {
  /** Number of the next block; numbers rise as blocks begin. */
  next: number;
  /** The block that text or thinking goes on in, while nothing else came between. */
  current: { readonly kind: 'text' | 'thinking'; readonly block: number } | undefined;
  /** The last block of text: what is cited stands there. */
  text: number | undefined;
  /** All text so far is ASCII: ranges in bytes are ranges in characters. */
  plain: boolean;
  /** A signature that waits for what is said beside the text before it. */
  signature: Signature | undefined;
  calls: boolean;
  finished: boolean;
}

export class GeminiReplyReader {
  readonly #sink: ReplySink;
  readonly #choices = new Map<number, ChoiceState>();
  #headed = false;
  #blocked = false;
  #counted = false;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  /** A finish reason came for every candidate that was begun, or the prompt was blocked. */
  get finished(): boolean {
    if (this.#choices.size === 0) return this.#blocked;
    for (const { finished } of this.#choices.values()) if (!finished) return false;
    return true;
  }

  read(body: JsonObject): void {
    const { error, usageMetadata } = body;
    if (isObject(error) || (typeof error === 'string' && error !== '')) {
      this.#sink.failed(errorWords(error));
      return;
    }
    const usage = isObject(usageMetadata) ? usageMetadata : undefined;
    this.#head(body, usage);
    for (const [position, each] of listOf(body['candidates']).entries()) {
      const candidate = objectOf(each);
      const index = numberOf(candidate['index']) ?? position;
      if (Number.isInteger(index) && index >= 0 && index < choicesMax) this.#candidate(index, candidate);
    }
    const blockReason = stringOf(objectOf(body['promptFeedback'])['blockReason']);
    if (blockReason !== undefined && blockReason !== '') {
      this.#blocked = true;
      this.#sink.stop(0, { kind: 'content-filter', native: blockReason });
    }
    if (usage === undefined) return;
    const counts = hasCounts(usage);
    if (!counts && this.#counted) return;
    this.#counted = counts;
    this.#sink.usage(usage);
  }

  #head(body: JsonObject, usage: JsonObject | undefined): void {
    if (this.#headed) return;
    const id = stringOf(body['responseId']);
    const model = stringOf(body['modelVersion']);
    if (id === undefined && model === undefined) return;
    this.#headed = true;
    const tier = stringOf(usage?.['serviceTier']);
    this.#sink.head({ id, model, serviceTier: tier === 'standard' ? 'default' : tier });
  }

  #candidate(index: number, candidate: JsonObject): void {
    const state = this.#state(index);
    for (const part of listOf(objectOf(candidate['content'])['parts'])) this.#part(index, state, objectOf(part));
    this.#beside(index, state, candidate);
    this.#sign(index, state);
    const reason = stringOf(candidate['finishReason']);
    if (reason === undefined || reason === '' || reason === 'FINISH_REASON_UNSPECIFIED') return;
    state.finished = true;
    this.#sink.stop(index, stopOf(reason, state.calls));
  }

  #state(index: number): ChoiceState {
    let state = this.#choices.get(index);
    if (state === undefined) {
      const none = { current: undefined, text: undefined, signature: undefined };
      state = { next: 0, plain: true, calls: false, finished: false, ...none };
      this.#choices.set(index, state);
    }
    return state;
  }

  #part(index: number, state: ChoiceState, part: JsonObject): void {
    const { text, functionCall, inlineData, fileData } = part;
    const signature = signatureOf(part['thoughtSignature']);
    if (typeof text === 'string') {
      if (text !== '' || part['thought'] === true) this.#sign(index, state);
      if (part['thought'] === true) this.#thought(index, state, text, signature);
      else {
        this.#text(index, state, text);
        if (signature !== undefined) this.#signLater(index, state, signature);
      }
      return;
    }
    const kind = Object.keys(part).find((key) => key !== 'thoughtSignature' && key !== 'thought');
    if (kind === undefined) {
      if (signature !== undefined) this.#signLater(index, state, signature);
      return;
    }
    this.#sign(index, state);
    state.current = undefined;
    if (isObject(functionCall)) this.#call(index, state, functionCall, signature);
    else if (isObject(inlineData)) this.#media(index, state, inlineData, signature);
    else if (isObject(fileData)) this.#media(index, state, fileData, signature);
    else {
      const native = { kind: 'native', protocol: 'gemini-generate', type: kind, value: part } as const;
      this.#sink.blockStart(index, state.next++, { kind: 'native', part: native });
    }
  }

  #text(index: number, state: ChoiceState, text: string): void {
    if (text === '') return;
    if (state.plain) state.plain = isPlain(text);
    this.#sink.delta(index, this.#blockFor(index, state, 'text'), text);
  }

  #thought(index: number, state: ChoiceState, text: string, signature: Signature | undefined): void {
    if (text === '' && signature === undefined) return;
    const block = this.#blockFor(index, state, 'thinking');
    if (text !== '') this.#sink.delta(index, block, text);
    if (signature === undefined) return;
    this.#sink.annotate(index, block, { kind: 'signature', signature });
    this.#sink.blockEnd(index, block);
    state.current = undefined;
  }

  #signLater(index: number, state: ChoiceState, signature: Signature): void {
    this.#sign(index, state);
    state.signature = signature;
  }

  /** A signature beside the answer is a thought of its own, without words. */
  #sign(index: number, state: ChoiceState): void {
    const { signature } = state;
    if (signature === undefined) return;
    state.signature = undefined;
    state.current = undefined;
    this.#thought(index, state, '', signature);
  }

  #blockFor(index: number, state: ChoiceState, kind: 'text' | 'thinking'): number {
    if (state.current?.kind === kind) return state.current.block;
    const block = state.next++;
    state.current = { kind, block };
    if (kind === 'text') state.text = block;
    this.#sink.blockStart(index, block, { kind });
    return block;
  }

  #call(index: number, state: ChoiceState, call: JsonObject, signature: Signature | undefined): void {
    const name = stringOf(call['name']) ?? '';
    if (name === '') {
      // Arguments in pieces come only where they were asked for.
      this.#sink.lost('late-delta');
      return;
    }
    state.calls = true;
    const block = state.next++;
    this.#sink.blockStart(index, block, { kind: 'tool-call', id: stringOf(call['id']) || undefined, name });
    this.#sink.delta(index, block, JSON.stringify(objectOf(call['args'])));
    if (signature !== undefined) this.#sink.annotate(index, block, { kind: 'signature', signature });
    this.#sink.blockEnd(index, block);
  }

  #media(index: number, state: ChoiceState, data: JsonObject, signature: Signature | undefined): void {
    const mediaType = stringOf(data['mimeType']);
    const bytes = stringOf(data['data']);
    const uri = stringOf(data['fileUri']);
    const kind = mediaKind(mediaType ?? '');
    if (bytes !== undefined) {
      const source = {
        from: 'base64',
        mediaType: mediaType ?? 'application/octet-stream',
        data: standardBase64(bytes),
      } as const;
      this.#sink.blockStart(index, state.next++, { kind: 'media', part: { kind, source } });
    } else if (uri !== undefined) {
      this.#sink.blockStart(index, state.next++, {
        kind: 'media',
        part: { kind, source: sourceOfUri(uri, mediaType) },
      });
    }
    if (signature !== undefined) this.#signLater(index, state, signature);
  }

  /** Probabilities, and what the answer is drawn from. */
  #beside(index: number, state: ChoiceState, candidate: JsonObject): void {
    const tokens = logprobsOf(candidate['logprobsResult']);
    if (tokens.length > 0)
      this.#sink.annotate(index, state.text ?? this.#blockFor(index, state, 'text'), { kind: 'logprobs', tokens });
    const grounding = objectOf(candidate['groundingMetadata']);
    const citations = [...groundingCitations(grounding, state.plain), ...quotations(candidate['citationMetadata'])];
    for (const citation of citations) {
      const block = state.text ?? this.#blockFor(index, state, 'text');
      this.#sink.annotate(index, block, { kind: 'citation', citation });
    }
    if (grounding['searchEntryPoint'] !== undefined || candidate['urlContextMetadata'] !== undefined)
      this.#sink.lost('native-block');
  }
}

function groundingCitations(grounding: JsonObject, plain: boolean): readonly Citation[] {
  const chunks = listOf(grounding['groundingChunks']).map((each) => sourceOf(objectOf(each)));
  const used = new Set<number>();
  const supported = listOf(grounding['groundingSupports']).flatMap((each) => {
    const support = objectOf(each);
    const segment = objectOf(support['segment']);
    const end = numberOf(segment['endIndex']);
    const range = plain && end !== undefined ? { start: numberOf(segment['startIndex']) ?? 0, end } : {};
    return listOf(support['groundingChunkIndices']).flatMap((at): Citation[] => {
      const index = numberOf(at) ?? -1;
      const chunk = chunks[index];
      if (chunk === undefined) return [];
      used.add(index);
      return [{ ...chunk, ...range }];
    });
  });
  return [...supported, ...chunks.filter((_, index) => !used.has(index))];
}

function sourceOf(chunk: JsonObject): Citation {
  const source = [chunk['web'], chunk['retrievedContext'], chunk['maps'], chunk['image']].find(isObject) ?? {};
  const url = stringOf(source['uri']) ?? stringOf(source['sourceUri']);
  const citedText = stringOf(source['text']);
  return { url, title: stringOf(source['title']), ...(citedText === undefined ? {} : { citedText }) };
}

/** What was quoted at length, from the web or from code. */
function quotations(value: JsonValue | undefined): readonly Citation[] {
  const metadata = objectOf(value);
  return listOf(metadata['citations'] ?? metadata['citationSources']).map((each) => {
    const { uri, title, startIndex, endIndex } = objectOf(each);
    const end = numberOf(endIndex);
    return {
      url: stringOf(uri),
      title: stringOf(title),
      ...(end === undefined ? {} : { start: numberOf(startIndex) ?? 0, end }),
    };
  });
}

/** A whole reply, or the list that a stream without `alt=sse` is. */
export function readReply(body: JsonValue, sink: ReplySink): void {
  const reader = new GeminiReplyReader(sink);
  for (const each of Array.isArray(body) ? body : [body]) reader.read(objectOf(each));
}
