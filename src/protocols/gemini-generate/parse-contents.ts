// Gemini's contents, read into turns. Calls may lack an id: then they are numbered in their order, which is the same in
// every request that repeats them, and results find theirs by name.

import { invalid } from '../../core/json-scan.ts';
import type {
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  OutputPart,
  TextPart,
  ToolResultPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { isObject, objectOf, stringOf } from '../json-fields.ts';
import { mediaKind, signatureOf, sourceOfUri, standardBase64 } from './reply-words.ts';
import { camelOf, isNothing, manyOf, memberOf } from './spelling.ts';
import { OpenCalls } from './open-calls.ts';

/** Members of a part that say nothing of their own. */
const beside: ReadonlySet<string> = new Set(['thought', 'thoughtSignature']);
/** What changes which part of the media is seen. */
const cuts: ReadonlySet<string> = new Set(['videoMetadata']);
const hints: ReadonlySet<string> = new Set(['mediaResolution', 'mediaProcessing', 'partMetadata', 'speechMetadata']);

export class ContentsReader {
  readonly #unmapped: Unmapped[];
  /** Calls without a result so far. */
  readonly #open = new OpenCalls();
  #calls = 0;

  constructor(unmapped: Unmapped[]) {
    this.#unmapped = unmapped;
  }

  read(value: JsonValue | undefined): readonly Turn[] {
    if (value === undefined) throw invalid('contents', 'is missing; send a list of contents');
    if (typeof value !== 'object') throw invalid('contents', 'must be a list of contents');
    const turns: Turn[] = [];
    for (const [index, each] of manyOf(value).entries()) {
      const path = `contents[${index}]`;
      if (!isObject(each)) throw invalid(path, 'must be an object with role and parts');
      const turn = this.#turn(each, path);
      if (turn.parts.length === 0) continue;
      const last = turns.at(-1);
      // Clients keep the chunks of a stream as contents of their own: together they are one turn.
      if (last?.role === 'assistant' && turn.role === 'assistant')
        turns[turns.length - 1] = { role: 'assistant', parts: joinedParts([...last.parts, ...turn.parts]) };
      else turns.push(turn.role === 'assistant' ? { role: 'assistant', parts: joinedParts(turn.parts) } : turn);
    }
    return turns;
  }

  #turn(content: JsonObject, path: string): Turn {
    const parts = manyOf(memberOf(content, 'parts', path));
    const partPath = (index: number) => `${path}.parts[${index}]`;
    const { role } = content;
    switch (role) {
      case 'model':
        return {
          role: 'assistant',
          parts: parts.flatMap((part, index) => this.#outputParts(objectOf(part), partPath(index))),
        };
      case undefined:
      case null:
      case '':
      case 'user':
      case 'function':
      case 'tool':
        return {
          role: 'user',
          parts: parts.flatMap((part, index) => this.#inputPart(objectOf(part), partPath(index))),
        };
      default:
        throw invalid(`${path}.role`, 'must be "user" or "model"');
    }
  }

  #outputParts(part: JsonObject, path: string): readonly OutputPart[] {
    const kind = this.#kindOf(part, path);
    const signature = signatureOf(memberOf(part, 'thoughtSignature', path));
    switch (kind) {
      case undefined:
        return signature === undefined ? [] : [{ kind: 'thinking', text: '', signature }];
      case 'text': {
        const text = textOf(part, path);
        if (part['thought'] === true) return [{ kind: 'thinking', text, signature }];
        const said: readonly OutputPart[] = text === '' && signature !== undefined ? [] : [{ kind: 'text', text }];
        return signature === undefined ? said : [...said, { kind: 'thinking', text: '', signature }];
      }
      case 'functionCall': {
        const call = objectOf(memberOf(part, kind, path));
        const name = stringOf(call['name']) ?? '';
        if (name === '') throw invalid(`${path}.functionCall.name`, 'is missing; name the function');
        this.#calls++;
        const stated = stringOf(call['id']) || undefined;
        const id = stated ?? `gemini_call_${this.#calls}`;
        this.#open.add({ id, name }, stated !== undefined);
        return [{ kind: 'tool-call', id, name, arguments: argumentsOf(call['args'], path), signature }];
      }
      case 'inlineData':
      case 'fileData':
        return [this.#media(part, kind, path)];
      default:
        return [{ kind: 'native', protocol: 'gemini-generate', type: kind, value: part, path: `${path}.${kind}` }];
    }
  }

  #inputPart(part: JsonObject, path: string): readonly (InputPart | ToolResultPart)[] {
    const kind = this.#kindOf(part, path);
    switch (kind) {
      case undefined:
        return [];
      case 'text':
        return [{ kind: 'text', text: textOf(part, path) }];
      case 'functionResponse':
        return [this.#result(objectOf(memberOf(part, kind, path)), `${path}.functionResponse`)];
      case 'inlineData':
      case 'fileData':
        return [this.#media(part, kind, path)];
      default:
        return [{ kind: 'native', protocol: 'gemini-generate', type: kind, value: part, path: `${path}.${kind}` }];
    }
  }

  /** The one member that says what the part is. */
  #kindOf(part: JsonObject, path: string): string | undefined {
    let kind: string | undefined;
    for (const [key, value] of Object.entries(part)) {
      const name = camelOf(key);
      if (value === null || value === undefined || beside.has(name)) continue;
      if (cuts.has(name) || hints.has(name)) {
        if (!isNothing(value))
          this.#unmapped.push({ path: `${path}.${name}`, weight: cuts.has(name) ? 'meaning' : 'hint' });
      } else if (kind === undefined) kind = name;
      else throw invalid(path, `has both ${kind} and ${name}; send each in a part of its own`);
    }
    return kind;
  }

  #result(response: JsonObject, path: string): ToolResultPart {
    const stated = stringOf(response['id']) || undefined;
    const name = stringOf(response['name']) || undefined;
    const call = this.#open.take(stated, name);
    const callId = call?.id ?? stated;
    if (callId === undefined) {
      if (name === undefined) throw invalid(`${path}.name`, 'is missing; name the function that was called');
      throw invalid(path, `answers no call of ${name.slice(0, 64)} that stands before it; send the call, too`);
    }
    for (const field of ['scheduling', 'willContinue'])
      if (memberOf(response, field, path) !== undefined)
        this.#unmapped.push({ path: `${path}.${field}`, weight: 'hint' });
    const media = manyOf(memberOf(response, 'parts', path)).flatMap((each, index): MediaPart[] => {
      const part = objectOf(each);
      const partPath = `${path}.parts[${index}]`;
      const kind = this.#kindOf(part, partPath);
      if (kind === 'inlineData' || kind === 'fileData') return [this.#media(part, kind, partPath)];
      throw invalid(partPath, 'must have inlineData or fileData');
    });
    const said = memberOf(response, 'response', path);
    return { kind: 'tool-result', callId, name: name ?? call?.name, ...resultOf(said, media) };
  }

  #media(part: JsonObject, kind: 'inlineData' | 'fileData', path: string): MediaPart {
    const data = objectOf(memberOf(part, kind, path));
    const own = `${path}.${kind}`;
    const mediaType = stringOf(memberOf(data, 'mimeType', own));
    const fileName = stringOf(memberOf(data, 'displayName', own));
    if (kind === 'fileData') {
      const uri = stringOf(memberOf(data, 'fileUri', own));
      if (uri === undefined || uri === '') throw invalid(`${own}.fileUri`, 'is missing');
      return { kind: mediaKind(mediaType ?? typeByName(uri) ?? ''), source: sourceOfUri(uri, mediaType), fileName };
    }
    const bytes = stringOf(data['data']);
    if (bytes === undefined) throw invalid(`${own}.data`, 'is missing; send base64');
    if (mediaType === undefined || mediaType === '') throw invalid(`${own}.mimeType`, 'is missing');
    const base64 = standardBase64(bytes);
    if (!mediaType.startsWith('text/'))
      return { kind: mediaKind(mediaType), source: { from: 'base64', mediaType, data: base64 }, fileName };
    const text = Buffer.from(base64, 'base64').toString('utf8');
    return { kind: 'document', source: { from: 'text', mediaType, text }, fileName };
  }
}

function textOf(part: JsonObject, path: string): string {
  const text = stringOf(part['text']);
  if (text === undefined) throw invalid(`${path}.text`, 'must be a text');
  return text;
}

function argumentsOf(value: JsonValue | undefined, path: string): string {
  if (value === undefined || value === null) return '{}';
  if (!isObject(value)) throw invalid(`${path}.functionCall.args`, 'must be an object');
  return JSON.stringify(value);
}

const textMembers: ReadonlySet<string> = new Set(['output', 'result', 'error']);

/** A response must be an object: a lone text under one of the members that Google uses for it is just that text. */
function resultOf(
  value: JsonValue | undefined,
  media: readonly MediaPart[],
): Pick<ToolResultPart, 'parts' | 'json' | 'failed'> {
  if (!isObject(value)) return { parts: media };
  const [only, ...more] = Object.entries(value);
  const failed = value['error'] !== undefined && value['output'] === undefined ? { failed: true } : {};
  if (only !== undefined && more.length === 0 && textMembers.has(only[0])) {
    const text = stringOf(only[1]);
    if (text !== undefined) return { parts: [{ kind: 'text', text }, ...media], ...failed };
  }
  return { parts: media, json: value, ...failed };
}

/** Pieces of one text, or of one thought, that came as parts of their own. */
function joinedParts(parts: readonly OutputPart[]): readonly OutputPart[] {
  const result: OutputPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    const at = result.length - 1;
    if (part.kind === 'text' && last?.kind === 'text') result[at] = { kind: 'text', text: last.text + part.text };
    else if (
      part.kind === 'thinking' &&
      last?.kind === 'thinking' &&
      last.signature === undefined &&
      !standsAlone(part)
    )
      result[at] = { ...part, text: last.text + part.text };
    else result.push(part);
  }
  return result;
}

/** Gemini's signature beside the answer: it is no end of the thought before it. */
const standsAlone = (part: OutputPart): boolean =>
  part.kind === 'thinking' && part.text === '' && part.signature?.protocol === 'gemini-generate';

export function systemParts(value: JsonValue | undefined): readonly TextPart[] {
  if (value === undefined) return [];
  const path = 'systemInstruction';
  const parts = isObject(value) ? manyOf(value['parts']) : undefined;
  if (parts === undefined) throw invalid(path, 'must be an object with parts');
  return parts.map((part, index) => {
    const text = stringOf(objectOf(part)['text']);
    if (text === undefined) throw invalid(`${path}.parts[${index}]`, 'must be a text part');
    return { kind: 'text', text };
  });
}

const extensions: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  pdf: 'application/pdf',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
  txt: 'text/plain',
  csv: 'text/csv',
  html: 'text/html',
};

/** The media type that the end of an address tells. */
export function typeByName(url: string): string | undefined {
  const extension = /\.([a-zA-Z0-9]{1,5})(?:[?#]|$)/.exec(url)?.[1]?.toLowerCase();
  return extension !== undefined && Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
}
