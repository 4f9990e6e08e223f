// Keeps the list of what a translation could not carry, and refuses what must not be left out.

import { TollgateError } from '../../core/errors.ts';
import type { Carriage } from '../../plugin/codec.ts';
import type {
  Conversation,
  NativePart,
  SystemTurn,
  Tool,
  ToolChoice,
  Turn,
  UserTurn,
} from '../../plugin/conversation.ts';
import type { ProtocolName } from '../../plugin/operations.ts';
import { objectOf, stringOf } from '../json-fields.ts';

/** Losses that are listed by name; a request with more has them, too, but the list ends here. */
const lossesMax = 64;
const lossLength = 96;
const reasonLength = 400;

export class LossList implements Carriage {
  readonly #names = new Set<string>();
  readonly #target: ProtocolName;

  constructor(target: ProtocolName) {
    this.#target = target;
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  lost(loss: string): void {
    // It goes into a header and a record: field names come from the client.
    const safe = loss.replace(/[^\w.:[\]-]/g, '_').slice(0, lossLength);
    if (this.#names.size < lossesMax) this.#names.add(safe);
  }

  refuse(path: string, reason: string): never {
    // Both may repeat names of the client's, which are as long as it likes.
    const field = path.slice(0, lossLength);
    const why = reason.length > reasonLength ? `${reason.slice(0, reasonLength)} ...` : reason;
    throw new TollgateError('invalid_request', {
      message: `${field}: ${why} The upstream of this model speaks ${this.#target}.`,
      field,
    });
  }
}

/** Fields without a neutral form: refused where they change the meaning, listed otherwise. */
export function carryUnmapped({ unmapped }: Conversation, carriage: Carriage): void {
  for (const { path, weight } of unmapped) {
    if (weight === 'meaning') carriage.refuse(path, 'cannot be carried to another protocol; leave it out.');
    carriage.lost(`field:${path}`);
  }
}

/** Where a target knows one word for both, the texts of the operator's two authorities become one. */
export function mergeAuthorities(turns: readonly Turn[], carriage: Carriage): void {
  const says = (authority: SystemTurn['authority']) =>
    turns.some(
      (turn) =>
        turn.role === 'system' && turn.authority === authority && turn.parts.some(({ text }) => text.trim() !== ''),
    );
  if (says('system') && says('developer')) carriage.lost('developer-role');
}

/** A block that only the client's own protocol has. */
export const refuseNative = ({ path, type }: NativePart, carriage: Carriage): never =>
  carriage.refuse(path ?? 'messages', `has a "${type}" block, which no other protocol has.`);

export const refuseStored = (carriage: Carriage): never =>
  carriage.refuse('messages', 'refers to a file stored at another vendor; send its bytes.');

/**
 * Results of parallel calls that came in turns of their own, as one turn: what is said with one of them, or moved out
 * of it, must not come between.
 */
export function joinResults(turns: readonly Turn[]): readonly Turn[] {
  const joined: Turn[] = [];
  /** Of the last turn, once it is joined from several: a list that only we have. */
  let parts: UserTurn['parts'][number][] | undefined;
  let before: UserTurn | undefined;
  for (const turn of turns) {
    const results = turn.role === 'user' && hasResult(turn) ? turn : undefined;
    if (before === undefined || results === undefined) {
      joined.push(turn);
      parts = undefined;
    } else {
      if (parts === undefined) {
        parts = [...before.parts];
        joined[joined.length - 1] = { ...before, parts };
      }
      for (const part of results.parts) parts.push(part);
    }
    before = results;
  }
  return joined;
}

const hasResult = ({ parts }: UserTurn): boolean => parts.some(({ kind }) => kind === 'tool-result');

/** For a target that gives one answer, of text. */
export function demandOneText({ choices, modalities }: Conversation, carriage: Carriage): void {
  if (choices !== undefined && choices > 1)
    carriage.refuse('n', 'asks for several choices, and there is only ever one there; ask for one.');
  if (modalities?.some((each) => each !== 'text') === true)
    carriage.refuse('modalities', 'asks for more than text; ask for text alone.');
}

/** Stop sequences, where the target takes so many; undefined for none. */
export function stopsWithin(most: number, { stop }: Conversation, carriage: Carriage): readonly string[] | undefined {
  if (stop === undefined || stop.length === 0) return undefined;
  if (stop.length > most)
    carriage.refuse('stop', `names ${stop.length} sequences, and the target takes ${most} at most.`);
  return stop;
}

/**
 * The tools that a target of that protocol can be offered. What runs at another vendor, or takes free text where every
 * input is an object, is left out and listed as long as the model has others to go by: agents offer such tools beside
 * their own. A request that has none but these is about them, and is refused.
 */
export function carriedTools(
  { tools, toolChoice }: Conversation,
  target: ProtocolName,
  takesCustom: boolean,
  carriage: Carriage,
): readonly Tool[] {
  const carried = tools.filter(
    (tool) => tool.kind === 'function' || (tool.kind === 'custom' ? takesCustom : tool.protocol === target),
  );
  const isCarried = new Set(carried);
  for (const tool of tools) {
    if (isCarried.has(tool)) continue;
    const name = tool.kind === 'native' ? tool.type : tool.name;
    if (carried.length === 0)
      carriage.refuse('tools', `has only "${name}", which cannot be carried; offer a function.`);
    carriage.lost(`tool:${name}`);
  }
  if (demandsLeftOut(toolChoice, tools, carried))
    carriage.refuse('tool_choice', 'demands a tool that cannot be carried; choose another.');
  return carried;
}

const toolName = (tool: Tool): string =>
  tool.kind === 'native' ? (stringOf(objectOf(tool.value)['name']) ?? tool.type) : tool.name;

function demandsLeftOut(choice: ToolChoice | undefined, tools: readonly Tool[], carried: readonly Tool[]): boolean {
  if (choice?.kind === 'tool') return namesOf(tools).has(choice.name) && !namesOf(carried).has(choice.name);
  return choice?.kind === 'allowed' && choice.mode === 'required' && offeredNames(choice.names, carried).length === 0;
}

const namesOf = (tools: readonly Tool[]): ReadonlySet<string> => new Set(tools.map(toolName));

/** Of the names that may be called, those of tools that are offered. None: then nothing may be called. */
export function offeredNames(names: readonly string[], carried: readonly Tool[]): readonly string[] {
  const offered = namesOf(carried);
  return names.filter((name) => offered.has(name));
}
