// What a reply says, before it is written in one protocol or another.

import type { UsageCounts } from './answer.ts';

/** Honest replies are the same for ever, their date included. */
export const createdAt = 1_790_000_000;
/** One thing that a model says in one event. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string };

export interface Choice {
  readonly pieces: number;
  piece(at: number): Piece;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
}

export interface Generation {
  readonly operation: 'chat' | 'completions';
  readonly id: string;
  readonly model: string;
  readonly choices: readonly Choice[];
  readonly usage: UsageCounts;
  readonly wantsUsage: boolean;
}

export function textOf(choice: Choice): string {
  let text = '';
  for (let at = 0; at < choice.pieces; at++) {
    const piece = choice.piece(at);
    if (piece.kind === 'text') text += piece.text;
  }
  return text;
}

export interface WrittenCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; arguments: string };
}

/** Calls as far as the limit on output let them come. */
export function callsOf(choice: Choice, id: string): readonly WrittenCall[] {
  const calls: WrittenCall[] = [];
  for (let at = 0; at < choice.pieces; at++) {
    const piece = choice.piece(at);
    if (piece.kind === 'call') {
      calls.push({
        id: callId(id, piece.index),
        type: 'function',
        function: { name: piece.name, arguments: '' },
      });
    } else if (piece.kind === 'arguments') {
      const call = calls[piece.index];
      if (call) call.function.arguments += piece.text;
    }
  }
  return calls;
}

export function callId(id: string, index: number): string {
  return `call_${id.slice(-16)}${index}`;
}
