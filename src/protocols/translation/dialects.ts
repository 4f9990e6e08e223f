// What holds for a model of which its provider says nothing: the letter of each protocol.

import type { Dialect } from '../../plugin/codec.ts';
import type { ProtocolName } from '../../plugin/operations.ts';

const letter: Dialect = {
  developerRole: true,
  tokenLimit: 'max_completion_tokens',
  toolIds: 'any',
  reasoningField: 'none',
  thinking: 'effort',
  strictSchemas: true,
  parallelToolCalls: true,
  sampling: true,
  systemAmongTurns: false,
};

export function dialectOf(protocol: ProtocolName, stated: Partial<Dialect> | undefined): Dialect {
  const own: Partial<Dialect> = protocol === 'gemini-generate' ? { thinking: 'level' } : {};
  return { ...letter, ...own, ...stated };
}
