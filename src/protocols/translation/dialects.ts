// What holds for a model of which its provider says nothing: the letter of each protocol.

import type { Dialect } from '../../plugin/codec.ts';
import type { ProtocolName } from '../../plugin/operations.ts';

const letter: Dialect = {
  developerRole: true,
  tokenLimit: 'max_completion_tokens',
  toolIds: 'any',
  userAfterResult: true,
  reasoningField: 'none',
  thinking: 'effort',
  efforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
  notThinking: 'disabled',
  strictSchemas: true,
  objectRoots: false,
  parallelToolCalls: true,
  sampling: 'always',
  forcedCalls: true,
  systemAmongTurns: false,
};

const own: Readonly<Partial<Record<ProtocolName, Partial<Dialect>>>> = {
  'anthropic-messages': {
    efforts: ['none', 'low', 'medium', 'high', 'xhigh', 'max'],
    sampling: 'unless-thinking',
  },
  // How to be told not to think is not in the letter: older models do it by a budget of nothing.
  'gemini-generate': { thinking: 'level', efforts: ['minimal', 'low', 'medium', 'high'] },
};

export function dialectOf(protocol: ProtocolName, stated: Partial<Dialect> | undefined): Dialect {
  return { ...letter, ...own[protocol], ...stated };
}
