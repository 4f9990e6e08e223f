// Items of a response's input, read into turns. What the model produced in a row is one turn of its; results of its
// calls in a row are one of the user's.

import { invalid } from '../../core/json-scan.ts';
import type {
  JsonObject,
  JsonValue,
  OutputPart,
  Signature,
  ToolResultPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { isList, isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { openSignature } from '../translation/signature-envelope.ts';
import { joinedName } from './namespaces.ts';
import { inputParts, outputParts, textParts } from './parse-content.ts';

const own = 'openai-responses';

/** Members of items that are read, or that say nothing to anyone but the vendor that made them. */
const known: ReadonlySet<string> = new Set([
  'type',
  'id',
  'role',
  'status',
  'content',
  'summary',
  'encrypted_content',
  'call_id',
  'name',
  'namespace',
  'arguments',
  'input',
  'output',
]);

/** Turns that grow while items of one side follow each other. */
class Turns {
  readonly turns: Turn[] = [];
  readonly #unmapped: Unmapped[];
  readonly #noted = new Set<string>();
  #calls: OutputPart[] | undefined;
  #results: ToolResultPart[] | undefined;

  constructor(unmapped: Unmapped[]) {
    this.#unmapped = unmapped;
  }

  produced(...parts: readonly OutputPart[]): void {
    if (this.#calls === undefined) {
      const mine: OutputPart[] = [];
      this.said({ role: 'assistant', parts: mine });
      this.#calls = mine;
    }
    this.#calls.push(...parts);
  }

  resulted(part: ToolResultPart): void {
    if (this.#results === undefined) {
      const mine: ToolResultPart[] = [];
      this.said({ role: 'user', parts: mine });
      this.#results = mine;
    }
    this.#results.push(part);
  }

  said(turn: Turn): void {
    this.#calls = this.#results = undefined;
    this.turns.push(turn);
  }

  /** Listed once, however many items have them: a long history would fill the list with one name. */
  noteMembers(item: JsonObject, root: string): void {
    for (const [name, value] of Object.entries(item)) {
      if (known.has(name) || value === null || value === false || this.#noted.has(name)) continue;
      this.#noted.add(name);
      this.#unmapped.push({ path: `${root}[].${name}`, weight: 'hint' });
    }
  }

  /** Thinking that only its vendor has: the answer is as good without it. */
  dropped(path: string): void {
    this.#unmapped.push({ path, weight: 'hint' });
  }
}

/** `root` is the field's name: `input`. */
export function parseItems(value: JsonValue | undefined, root: string, unmapped: Unmapped[]): readonly Turn[] {
  if (typeof value === 'string') return [{ role: 'user', parts: [{ kind: 'text', text: value }] }];
  // A stored prompt, or a stored response, may say all that there is.
  if (value === undefined || value === null) return [];
  if (!isList(value)) throw invalid(root, 'must be a text or a list of items');
  const turns = new Turns(unmapped);
  for (const [index, item] of value.entries()) {
    const path = `${root}[${index}]`;
    if (!isObject(item)) throw invalid(path, 'must be an item, which is an object');
    if (parseItem(item, path, turns)) turns.noteMembers(item, root);
  }
  return turns.turns;
}

/** False for an item that is taken as it is. */
function parseItem(item: JsonObject, path: string, turns: Turns): boolean {
  const type = stringOf(item['type']) ?? (item['role'] === undefined ? undefined : 'message');
  switch (type) {
    case 'message':
      messageItem(item, path, turns);
      return true;
    case 'reasoning':
      turns.produced(reasoningPart(item));
      return true;
    case 'function_call':
      turns.produced(callPart(item, path, stringOf(item['arguments']) || '{}'));
      return true;
    case 'custom_tool_call':
      turns.produced({ ...callPart(item, path, stringOf(item['input']) ?? ''), custom: true });
      return true;
    case 'function_call_output':
    case 'custom_tool_call_output':
      turns.resulted(resultPart(item, path));
      return true;
    case 'item_reference':
      if (stringOf(item['id'])?.startsWith('rs_') === true) turns.dropped(path);
      // Anything else would be missing: writers for others refuse it by its name.
      else turns.produced({ kind: 'native', protocol: own, type, value: item, path });
      return false;
    case undefined:
      throw invalid(`${path}.type`, 'is missing');
    default:
      turns.produced({ kind: 'native', protocol: own, type, value: item, path });
      return false;
  }
}

function required(item: JsonObject, field: string, path: string): string {
  const value = stringOf(item[field]);
  if (value === undefined || value === '') throw invalid(`${path}.${field}`, 'is missing');
  return value;
}

function messageItem(item: JsonObject, path: string, turns: Turns): void {
  const content = `${path}.content`;
  switch (item['role']) {
    case 'system':
    case 'developer':
      turns.said({ role: 'system', authority: item['role'], parts: textParts(item['content'], content) });
      return;
    case 'user':
      turns.said({ role: 'user', parts: inputParts(item['content'], content) });
      return;
    case 'assistant':
      turns.produced(...outputParts(item['content'], content));
      return;
    default:
      throw invalid(`${path}.role`, 'must be "user", "assistant", "system" or "developer"');
  }
}

function callPart(item: JsonObject, path: string, text: string) {
  return {
    kind: 'tool-call',
    id: required(item, 'call_id', path),
    name: joinedName(stringOf(item['namespace']), required(item, 'name', path)),
    arguments: text,
    itemId: stringOf(item['id']),
  } as const;
}

function resultPart(item: JsonObject, path: string): ToolResultPart {
  return {
    kind: 'tool-result',
    callId: required(item, 'call_id', path),
    parts: inputParts(item['output'] ?? '', `${path}.output`),
    failed: item['status'] === 'incomplete' ? true : undefined,
  };
}

const textsOf = (value: JsonValue | undefined): readonly string[] =>
  listOf(value).map((each) => stringOf(objectOf(each)['text']) ?? '');

/** Parts of a summary are paragraphs. */
export function reasoningPart(item: JsonObject): OutputPart & { readonly kind: 'thinking' } {
  const content = textsOf(item['content']);
  const text = content.join('') || textsOf(item['summary']).join('\n\n');
  const signature = sealedOf(item);
  return { kind: 'thinking', text, summary: content.length === 0, ...(signature === undefined ? {} : { signature }) };
}

/** The sealed thinking of an item that is complete; undefined where it has none. */
export function sealedOf(item: JsonObject): Signature | undefined {
  const sealed = stringOf(item['encrypted_content']);
  if (sealed === undefined || sealed === '') return undefined;
  return openSignature(sealed) ?? { protocol: own, form: 'encrypted', value: sealed, id: stringOf(item['id']) };
}
