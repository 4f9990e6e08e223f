// What clients make of what they hear: the blocks of an Anthropic stream, the calls of a chat stream, why it ended.

import { field } from '../support/gateway.ts';
import type { Heard } from './scripted-gateway.ts';

export const list = (value: unknown, ...path: readonly string[]): readonly unknown[] => {
  const found = field(value, ...path);
  return Array.isArray(found) ? found : [];
};
export const at = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce(
    (found: unknown, step) => (typeof step === 'number' ? list({ found }, 'found')[step] : field(found, step)),
    value,
  );

export interface Block {
  readonly type: unknown;
  readonly name?: unknown;
  readonly id?: unknown;
  text: string;
}

/** The blocks of an Anthropic stream; throws where a client would: a delta to a block that is not open. */
export function blocksOf({ events }: Heard): readonly Block[] {
  const blocks: Block[] = [];
  let open: number | undefined;
  for (const event of events) {
    const type = field(event, 'type');
    const index = Number(field(event, 'index'));
    if (type === 'content_block_start') {
      if (open !== undefined || index !== blocks.length) throw new Error(`block ${index} starts out of order`);
      open = index;
      const block = field(event, 'content_block');
      blocks.push({ type: field(block, 'type'), name: field(block, 'name'), id: field(block, 'id'), text: '' });
    }
    if (type === 'content_block_delta' || type === 'content_block_stop') {
      if (open !== index) throw new Error(`Content block not found: ${index}`);
      const delta = field(event, 'delta');
      const found = blocks[index];
      const piece = field(delta, 'text') ?? field(delta, 'thinking') ?? field(delta, 'partial_json') ?? '';
      if (found !== undefined) found.text += String(piece);
      if (type === 'content_block_stop') open = undefined;
    }
  }
  return blocks;
}
export const stopOf = ({ events }: Heard): unknown =>
  field(
    events.find((event) => field(event, 'type') === 'message_delta'),
    'delta',
    'stop_reason',
  );
export const finishOf = ({ events }: Heard): unknown =>
  events.map((event) => at(event, 'choices', 0, 'finish_reason')).find((reason) => typeof reason === 'string');

/** Calls of a chat stream by their index. */
export function callsOf({ events }: Heard): readonly { id: string; name: string; arguments: string }[] {
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const call of events.flatMap((event) => list(at(event, 'choices', 0, 'delta'), 'tool_calls'))) {
    const index = Number(field(call, 'index'));
    const found = (calls[index] ??= { id: '', name: '', arguments: '' });
    found.id += String(field(call, 'id') ?? '');
    found.name += String(field(call, 'function', 'name') ?? '');
    found.arguments += String(field(call, 'function', 'arguments') ?? '');
  }
  return calls;
}
