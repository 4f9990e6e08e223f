// U23: usage blocks that lie, or are not numbers. The reply is honest in everything else.

import type { Answer, UsageCounts, UsageText } from '../answer.ts';
import type { Form } from '../forms/form.ts';
import { streamReply } from '../wire.ts';
import { allFrames, honestReply, withText } from './fault.ts';
import type { Fault, FaultScript } from './fault.ts';

type Block = (usage: UsageCounts, form: Form) => string;

const block =
  (make: Block): FaultScript =>
  ({ answer }) =>
    honestReply(answer, { json: make(answer.usage, answer.form) });

/**
 * Content, finish reason and usage frames in an order of the fault's choosing; without streaming one block
 * stands.
 */
const frames =
  (order: (answer: Answer) => readonly string[], unstreamed: Block): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? streamReply([...order(answer), answer.done()], answer.timing)
      : honestReply(answer, { json: unstreamed(answer.usage, answer.form) });

function eventsOf(answer: Answer, kinds: readonly string[], usage: UsageText = 'honest'): readonly string[] {
  return allFrames(answer, usage)
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ json }) => answer.form.event(json));
}

const everything = ['open', 'content', 'finish', 'usage'];
const honestCounts: Block = ({ prompt, completion }, form) => form.usage(prompt, completion, prompt + completion);
const doubled: Block = ({ prompt, completion }, form) =>
  form.usage(prompt * 2, completion * 2, (prompt + completion) * 2);

/** Looks like the usage of the reply, and stands in what the model said. */
const forgedInContent: FaultScript = ({ answer }) => {
  const forged = '"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}';
  if (!answer.stream) {
    return honestReply({
      ...answer,
      body: (usage) => withText(answer.body(usage), JSON.stringify(forged).slice(1, -1)),
    });
  }
  const events = eventsOf(answer, ['open', 'content', 'finish']);
  return streamReply(
    [
      ...events.slice(0, 2),
      answer.form.event(answer.contentFrame(forged)),
      ...events.slice(2),
      ...eventsOf(answer, ['usage']),
      answer.done(),
    ],
    answer.timing,
  );
};

export const usageFault: Fault = {
  number: 23,
  title: 'usage that lies',
  usual: 'negative',
  variants: {
    negative: block(({ prompt, completion }, form) => form.usage(-prompt, -completion, -(prompt + completion))),
    absent: ({ answer }) => honestReply(answer, 'absent'),
    null: block(() => 'null'),
    'null-counts': block((_usage, form) => form.usage('null', 'null', 'null')),
    string: block(({ prompt, completion }, form) =>
      form.usage(`"${prompt}"`, `"${completion}"`, `"${prompt + completion}"`),
    ),
    float: block(({ prompt, completion }, form) =>
      form.usage(`${prompt}.5`, `${completion}.25`, `${prompt + completion}.75`),
    ),
    huge: block((_usage, form) => form.usage('1e308', '1e308', '1e308')),
    beyond: block((_usage, form) => form.usage('18446744073709551615', '9007199254740993', '18446744073709551616')),
    cached: block(({ prompt, completion }, form) => form.usage(prompt, completion, prompt + completion, prompt + 112)),
    reasoning: block(({ prompt, completion }, form) =>
      form.usage(prompt, completion, prompt + completion, undefined, completion + 7),
    ),
    total: block(({ prompt, completion }, form) => form.usage(prompt, completion, prompt + completion + 1_000)),
    zero: block((_usage, form) => form.usage(0, 0, 0)),
    under: block(({ prompt }, form) => form.usage(prompt, 0, prompt)),
    over: block(({ prompt, completion }, form) => form.usage(prompt * 10, completion * 10, (prompt + completion) * 10)),
    list: block(() => '[57,41,98]'),
    text: block(() => '"57/41"'),
    doubles: block((usage, form) => `${form.usage(1, 1, 2).slice(0, -1)},${honestCounts(usage, form).slice(1)}`),
    growing: frames(
      (answer) => [
        ...eventsOf(answer, everything),
        ...eventsOf(answer, ['usage'], { json: doubled(answer.usage, answer.form) }),
      ],
      doubled,
    ),
    twice: frames((answer) => [...eventsOf(answer, everything), ...eventsOf(answer, ['usage'])], honestCounts),
    early: frames(
      (answer) => [...eventsOf(answer, ['open', 'usage']), ...eventsOf(answer, ['content', 'finish'])],
      honestCounts,
    ),
    forged: forgedInContent,
  },
};
