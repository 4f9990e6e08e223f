// Functions may stand in a namespace, which no other protocol has. There they are known by both words as one name, and
// calls of them are split again for the client.

import type { Tool } from '../../plugin/conversation.ts';

export const joinedName = (namespace: string | undefined, name: string): string =>
  namespace === undefined || namespace === '' ? name : `${namespace}__${name}`;

export interface CalledName {
  readonly name: string;
  readonly namespace?: string;
}

/** The client's own words for a called function. */
export function calledName(name: string, tools: readonly Tool[]): CalledName {
  for (const tool of tools) {
    if (tool.kind === 'native' || tool.name !== name || tool.namespace === undefined) continue;
    return { name: name.slice(joinedName(tool.namespace, '').length), namespace: tool.namespace };
  }
  return { name };
}
