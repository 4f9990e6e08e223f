// How models differ from the letter of a protocol where the provider does not know it, or knows it wrongly: the
// operator's word goes before the provider's.

import { Type } from 'tollgate/plugin';
import type { Dialect, ProtocolName } from 'tollgate/plugin';

/** A model by its upstream's name; a name that ends with `*` is all that begin so. */
export interface ModelDialect extends Partial<Dialect> {
  readonly model: string;
}

const words = <const W extends string>(list: readonly W[]) => Type.Union(list.map((word) => Type.Literal(word)));

export const dialectsOption = Type.Optional(
  Type.Array(
    Type.Object(
      {
        model: Type.String({
          description:
            "A model by the upstream's name for it. With * at its end all that begin so; * alone is every one.",
          pattern: '^[^*]*[^*]$|^[^*]*\\*$',
          maxLength: 200,
        }),
        developerRole: Type.Optional(Type.Boolean()),
        tokenLimit: Type.Optional(words(['max_completion_tokens', 'max_tokens'])),
        toolIds: Type.Optional(words(['any', 'nine-alphanumeric'])),
        reasoningField: Type.Optional(words(['reasoning_content', 'reasoning', 'none'])),
        userAfterResult: Type.Optional(Type.Boolean()),
        thinking: Type.Optional(words(['effort', 'budget', 'level', 'none'])),
        efforts: Type.Optional(
          Type.Array(words(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']), {
            minItems: 1,
            uniqueItems: true,
          }),
        ),
        notThinking: Type.Optional(words(['disabled', 'between_tools'])),
        strictSchemas: Type.Optional(Type.Boolean()),
        objectRoots: Type.Optional(Type.Boolean()),
        parallelToolCalls: Type.Optional(Type.Boolean()),
        sampling: Type.Optional(words(['always', 'unless-thinking', 'only-at-rest', 'never'])),
        forcedCalls: Type.Optional(Type.Boolean()),
        systemAmongTurns: Type.Optional(Type.Boolean()),
      },
      { additionalProperties: false },
    ),
    {
      description:
        'How models differ from the protocol, before what is known of them. Of two that fit the later holds.',
      maxItems: 200,
    },
  ),
);

type DialectOf = (model: string, protocol: ProtocolName) => Partial<Dialect>;

/** What is known of a model, and over it what the operator says. */
export function withDialects(known: DialectOf, said: readonly ModelDialect[] | undefined): DialectOf {
  if (said === undefined || said.length === 0) return known;
  return (model, protocol) => {
    let dialect = known(model, protocol);
    for (const { model: name, ...own } of said) {
      if (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : model === name) dialect = { ...dialect, ...own };
    }
    return dialect;
  };
}
