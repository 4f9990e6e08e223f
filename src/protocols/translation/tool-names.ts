// Names of functions in the form that a target takes. A name that it takes stays; another becomes the same fitting one
// every time, in the tools, the choice and the history, so that nothing is remembered between requests. In the reply
// the client sees its own name again. Where every name fits, nothing is copied and nothing wrapped.

import type { Codec } from '../../plugin/codec.ts';
import type { ReplySink, UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import type { Conversation, Tool, ToolChoice, Turn } from '../../plugin/conversation.ts';
import type { ProtocolName } from '../../plugin/operations.ts';
import { digest } from './call-ids.ts';

/** As the vendors' own refusals state them. */
const openAi = /^[a-zA-Z0-9_-]{1,64}$/;
const anthropic = /^[a-zA-Z0-9_-]{1,128}$/;
/** Older models of Gemini know no colon: a name that is made has none. */
const gemini = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/;
/** The shortest of these: a name that is made suits them all. */
const lengthMax = 64;
const digestLength = 8;
/** A longer one is no name: it goes on as it is, so that no reply grows by repeating it. MCP has 128 at most. */
const ownLengthMax = 256;

function takes(target: ProtocolName, name: string): boolean {
  if (name.length > ownLengthMax) return true;
  switch (target) {
    case 'anthropic-messages':
      return anthropic.test(name);
    case 'gemini-generate':
      return gemini.test(name);
    default:
      return openAi.test(name);
  }
}

/** Free text is carried between OpenAI's two alone; elsewhere such a tool is left out, and named as it was. */
const isOffered = (tool: Tool, target: ProtocolName): tool is Exclude<Tool, { readonly kind: 'native' }> =>
  tool.kind === 'function' || (tool.kind === 'custom' && target.startsWith('openai-'));

/** Of a tool that is not offered: to demand it is refused under its own name. */
const isLeftOut = (name: string, tools: readonly Tool[], target: ProtocolName): boolean =>
  !target.startsWith('openai-') && tools.some((tool) => tool.kind === 'custom' && tool.name === name);

/** Every name that a tool has, or had: those of `allowed` are of tools, or nobody's. */
function* namesIn({ tools, toolChoice, turns }: Conversation, target: ProtocolName): Generator<string> {
  for (const tool of tools) if (isOffered(tool, target)) yield tool.name;
  if (toolChoice?.kind === 'tool' && !isLeftOut(toolChoice.name, tools, target)) yield toolChoice.name;
  for (const { parts } of turns) {
    for (const part of parts) {
      if (part.kind === 'tool-call') yield part.name;
      else if (part.kind === 'tool-result' && part.name !== undefined) yield part.name;
    }
  }
}

/** The fitting name by the client's own, for those that the target does not take; undefined where it takes all. */
export function fittedNames(conversation: Conversation, target: ProtocolName): ReadonlyMap<string, string> | undefined {
  let unfit: Set<string> | undefined;
  for (const name of namesIn(conversation, target)) if (!takes(target, name)) (unfit ??= new Set()).add(name);
  if (unfit === undefined) return undefined;
  const taken = new Set(namesIn(conversation, target));
  const fitted = new Map<string, string>();
  // In an order that is theirs alone: wherever they stand, the same one gives way where two would meet.
  for (const name of [...unfit].toSorted()) {
    let round = 0;
    let fitting = fittingName(name, round);
    while (taken.has(fitting)) fitting = fittingName(name, (round += 1));
    taken.add(fitting);
    fitted.set(name, fitting);
  }
  return fitted;
}

function fittingName(name: string, round: number): string {
  const plain = name.replace(/[^a-zA-Z0-9_-]/gu, '_');
  const begun = /^[a-zA-Z_]/.test(plain) ? plain : `_${plain}`;
  const mark = digest(round === 0 ? name : `${name} ${round}`, digestLength);
  return `${begun.slice(0, lengthMax - digestLength - 1)}_${mark}`;
}

/** The conversation with these names instead of the client's. */
export function withNames(
  conversation: Conversation,
  names: ReadonlyMap<string, string>,
  target: ProtocolName,
): Conversation {
  const nameOf = (name: string): string => names.get(name) ?? name;
  const { tools, toolChoice, turns } = conversation;
  return {
    ...conversation,
    tools: tools.map((tool) => (isOffered(tool, target) ? { ...tool, name: nameOf(tool.name) } : tool)),
    toolChoice: toolChoice && namedChoice(toolChoice, nameOf),
    turns: turns.map((turn) => namedTurn(turn, nameOf)),
  };
}

function namedChoice(choice: ToolChoice, nameOf: (name: string) => string): ToolChoice {
  switch (choice.kind) {
    case 'tool':
      return { ...choice, name: nameOf(choice.name) };
    case 'allowed':
      return { ...choice, names: choice.names.map(nameOf) };
    case 'auto':
    case 'none':
    case 'required':
      return choice;
  }
}

function namedTurn(turn: Turn, nameOf: (name: string) => string): Turn {
  switch (turn.role) {
    case 'system':
      return turn;
    case 'user':
      return {
        ...turn,
        parts: turn.parts.map((part) =>
          part.kind === 'tool-result' && part.name !== undefined ? { ...part, name: nameOf(part.name) } : part,
        ),
      };
    case 'assistant':
      return {
        ...turn,
        parts: turn.parts.map((part) => (part.kind === 'tool-call' ? { ...part, name: nameOf(part.name) } : part)),
      };
  }
}

/** The upstream's codec for this conversation: itself where its protocol takes every name. */
export function fittingCodec(upstream: Codec, target: ProtocolName, conversation: Conversation): Codec {
  const names = fittedNames(conversation, target);
  return names === undefined ? upstream : namingCodec(upstream, names, target);
}

/** Holds on to the names alone: a prompt is not kept for as long as its reply lasts. */
function namingCodec(upstream: Codec, names: ReadonlyMap<string, string>, target: ProtocolName): Codec {
  const own = new Map([...names].map(([name, fitting]) => [fitting, name]));
  return {
    ...upstream,
    renderRequest: (conversation, request, carriage) =>
      upstream.renderRequest(withNames(conversation, names, target), request, carriage),
    readReply: (body, sink) => upstream.readReply(body, namingSink(sink, own)),
    openReader: (sink) => upstream.openReader(namingSink(sink, own)),
    readError: (body) => {
      const error = upstream.readError(body);
      return error && inOwnNames(error, own);
    },
  };
}

/** Whatever is said of a call is said by the client's own name for it. */
function namingSink(sink: ReplySink, own: ReadonlyMap<string, string>): ReplySink {
  return {
    head: (head) => sink.head(head),
    blockStart: (choice, block, head) => {
      const name = head.kind === 'tool-call' ? own.get(head.name) : undefined;
      sink.blockStart(choice, block, head.kind === 'tool-call' && name !== undefined ? { ...head, name } : head);
    },
    delta: (choice, block, text) => sink.delta(choice, block, text),
    annotate: (choice, block, annotation) => sink.annotate(choice, block, annotation),
    blockEnd: (choice, block) => sink.blockEnd(choice, block),
    stop: (choice, stop) => sink.stop(choice, stop),
    usage: (raw) => sink.usage(raw),
    lost: (loss) => sink.lost(loss),
    failed: (error) => sink.failed(inOwnNames(error, own)),
  };
}

/** Vendors name the function whose schema they refuse. */
const inOwnNames = (error: UpstreamErrorText, own: ReadonlyMap<string, string>): UpstreamErrorText => ({
  ...error,
  message: error.message.replace(/[a-zA-Z0-9_-]+/g, (word) => own.get(word) ?? word),
});
