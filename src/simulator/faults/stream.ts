// Faults inside the body: frames that are broken, huge, endless, out of place or out of order.
// U8 to U11, U13 to U15, U24, U25, U32.

import type { Answer } from '../answer.ts';
import { isFields } from '../fields.ts';
import { finish, wait, write } from '../script.ts';
import type { Script } from '../script.ts';
import { chunk, chunked, head, jsonReply, jsonType, lastChunk, streamReply, streamStart, withLength } from '../wire.ts';
import { openAiForm } from '../forms/openai.ts';
import { allFrames, eventsToMiddle, honestEvents, honestReply, withText } from './fault.ts';
import type { Fault, FaultScript } from './fault.ts';

const mebibyte = 1024 * 1024;
const commentGapMs = 5;
const manyScripts = 'héllo wörld 🦊 漢字かな 한국어 👩‍👩‍👧 ß';
const failed = 'The server had an error while processing your request.';

/** The honest stream with some events put before its finish reason. */
function* withInserted(
  answer: Answer,
  inserted: readonly (string | Uint8Array)[],
): Generator<string | Uint8Array, void, undefined> {
  let waiting = true;
  for (const { kind, json } of answer.frames()) {
    if (waiting && kind === 'finish') {
      waiting = false;
      yield* inserted;
    }
    yield answer.form.event(json);
  }
  yield answer.done();
}

/** A frame that holds this in place of its JSON; without streaming, a body that does. */
const instead =
  (content: (json: string) => string): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? streamReply(withInserted(answer, [answer.form.event(content(answer.contentFrame(' cut')))]), answer.timing)
      : jsonReply(200, content(answer.body()), jsonType, answer.timing);

/** Every byte of every multi-byte character in a write of its own. */
const splitCharacters: FaultScript = ({ answer }) => {
  const text = answer.form.event(answer.contentFrame(manyScripts));
  if (!answer.stream) return splitBody(withText(answer.body(), manyScripts));
  return streamReply(
    withInserted(
      answer,
      [...Buffer.from(text)].map((byte) => Uint8Array.of(byte)),
    ),
    answer.timing,
  );
};

function* splitBody(body: string): Script {
  yield write(head(200, [...jsonType, ...chunked]));
  for (const byte of Buffer.from(body)) yield write(chunk(Uint8Array.of(byte)));
  yield write(lastChunk);
  yield finish;
}

/** Lone continuation, overlong form, surrogate, cut sequence, a byte that is never UTF-8. */
const invalidBytes = [0x80, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0xff];

function withInvalidBytes(text: string): Uint8Array {
  const [before = '', after = ''] = text.split('INVALID');
  return Buffer.concat([Buffer.from(before), Uint8Array.from(invalidBytes), Buffer.from(after)]);
}

const invalidCharacters: FaultScript = ({ answer }) => {
  if (answer.stream)
    return streamReply(
      withInserted(answer, [withInvalidBytes(answer.form.event(answer.contentFrame('INVALID')))]),
      answer.timing,
    );
  const body = withInvalidBytes(withText(answer.body(), 'INVALID'));
  return (function* () {
    yield write(head(200, withLength(jsonType, body.length)));
    yield write(body);
    yield finish;
  })();
};

/** The honest events, each rewritten: other line ends, other spacing. Bodies of JSON stay as they are. */
const reframed =
  (rewrite: (text: string, at: number) => string): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? streamReply(
          (function* () {
            let at = 0;
            for (const each of honestEvents(answer)) yield rewrite(each, at++);
          })(),
          answer.timing,
        )
      : jsonReply(200, answer.body(), jsonType, answer.timing);

/** One event's JSON over several `data:` lines, cut where JSON allows a line break. */
function overSeveralLines(text: string): string {
  return text.startsWith('data: {') ? text.replace('{', '{\ndata: ').replace(',"choices"', ',\ndata: "choices"') : text;
}

const largeFrame =
  (size: number): FaultScript =>
  ({ answer }) => {
    const text = 'x'.repeat(size);
    return answer.stream
      ? streamReply(withInserted(answer, [answer.form.event(answer.contentFrame(text))]), answer.timing)
      : jsonReply(200, withText(answer.body(), text), jsonType, answer.timing);
  };

/** Never ends; a reader that stops is waited for. */
const endlessContent: FaultScript = ({ answer }) =>
  answer.stream
    ? streamStart(
        (function* () {
          for (let at = 0; ; at++) yield answer.form.event(answer.contentFrame(` tok${at}`));
        })(),
        answer.timing,
      )
    : (function* () {
        yield write(head(200, [...jsonType, ...chunked]));
        yield write(chunk('{"padding":"'));
        for (let at = 0; ; at++) {
          yield write(chunk(` tok${at}`.repeat(100)));
          if (answer.timing.gapMs > 0) yield wait(answer.timing.gapMs);
        }
      })();

const endlessComments =
  (after: (answer: Answer) => Iterable<string>): FaultScript =>
  ({ answer }) => {
    const timing = { ...answer.timing, gapMs: answer.timing.gapMs || commentGapMs };
    if (answer.stream) {
      return streamStart(
        (function* () {
          yield* after(answer);
          for (;;) yield ': keep-alive\n\n';
        })(),
        timing,
      );
    }
    // Blanks before a JSON text are legal, and some vendors send them to keep a connection alive.
    return (function* () {
      yield write(head(200, [...jsonType, ...chunked]));
      for (;;) {
        yield write(chunk('\n'));
        yield wait(timing.gapMs);
      }
    })();
  };

/** An error in the stream. Without streaming: a 200 whose choices stand beside an error. */
const errorInStream =
  (rest: (answer: Answer) => readonly string[]): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? streamReply(rest(answer), answer.timing)
      : jsonReply(
          200,
          `${answer.body('absent').slice(0, -1)},${answer.form.error(200, failed, 'server_error', null).slice(1)}`,
          jsonType,
          answer.timing,
        );

const afterDone =
  (rest: (answer: Answer) => readonly string[]): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? streamReply(
          (function* () {
            yield* honestEvents(answer);
            yield* rest(answer);
          })(),
          answer.timing,
        )
      : jsonReply(200, `${answer.body()}\n${answer.body()}`, jsonType, answer.timing);

function toolDelta(answer: Answer, delta: string): string {
  return answer.form.event(
    answer.contentFrame('TOOLS').replace('{"content":"TOOLS"}', () => `{"tool_calls":[${delta}]}`),
  );
}

/** Two calls whose deltas come the second first, and interleaved. */
const toolDeltas =
  (deltas: readonly string[]): FaultScript =>
  ({ answer }) => {
    // Only chat mixes the pieces of calls: elsewhere each call is a block, or comes whole.
    if (answer.form !== openAiForm) return honestReply(answer);
    if (answer.stream) {
      const finished = allFrames(answer)
        .filter(({ kind }) => kind === 'finish' || kind === 'usage')
        .map(({ json }) => answer.form.event(json.replace(/"finish_reason":"\w+"/, '"finish_reason":"tool_calls"')));
      const opening = allFrames(answer)
        .filter(({ kind }) => kind === 'open')
        .map(({ json }) => answer.form.event(json));
      return streamReply(
        [...opening, ...deltas.map((each) => toolDelta(answer, each)), ...finished, answer.done()],
        answer.timing,
      );
    }
    const message = { role: 'assistant', content: null, tool_calls: disorderedCalls };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: 'tool_calls' }];
    const body: unknown = JSON.parse(answer.body());
    return jsonReply(200, JSON.stringify({ ...(isFields(body) ? body : {}), choices }), jsonType, answer.timing);
  };

const opened = (index: number, id: string, name: string) =>
  `{"index":${index},"id":"${id}","type":"function","function":{"name":"${name}","arguments":""}}`;
const argued = (index: number, text: string) => `{"index":${index},"function":{"arguments":${JSON.stringify(text)}}}`;
const withoutIndex = (delta: string) => delta.replace(/"index":\d,/, '');
const disorderedCalls = ['beta', 'alpha'].map((name) => ({
  id: `call_${name.charAt(0)}`,
  type: 'function',
  function: { name, arguments: '{}' },
}));
const disordered = [
  opened(1, 'call_b', 'beta'),
  argued(1, '{"b"'),
  opened(0, 'call_a', 'alpha'),
  argued(0, '{"a":'),
  argued(1, ':2}'),
  argued(0, '1}'),
];

export const streamFaults: readonly Fault[] = [
  {
    number: 8,
    title: 'truncated or malformed JSON frame',
    usual: 'truncated',
    variants: {
      truncated: instead((json) => json.slice(0, json.length >> 1)),
      garbage: instead(() => 'not json'),
      null: instead(() => 'null'),
      list: instead(() => '[]'),
    },
  },
  {
    number: 9,
    title: 'split or invalid UTF-8',
    usual: 'split',
    variants: { split: splitCharacters, invalid: invalidCharacters },
  },
  {
    number: 10,
    title: 'other framing: CRLF, CR, no space',
    usual: 'crlf',
    variants: {
      crlf: reframed((text) => text.replaceAll('\n', '\r\n')),
      cr: reframed((text) => text.replaceAll('\n', '\r')),
      nospace: reframed((text) => text.replace(/^data: /, 'data:')),
      bom: reframed((text, at) => (at === 0 ? `\ufeff${text}` : text)),
      lines: reframed(overSeveralLines),
      fields: reframed((text, at) => `id: ${at}\nretry: 1000\n${text}`),
      comments: reframed((text) => `: comment\n\n${text}`),
    },
  },
  {
    number: 11,
    title: 'single frame of 16 MB',
    usual: '16',
    variants: { '16': largeFrame(16 * mebibyte), '32': largeFrame(32 * mebibyte) },
  },
  { number: 13, title: 'endless stream', usual: 'content', variants: { content: endlessContent } },
  {
    number: 14,
    title: 'endless comments',
    usual: 'comments',
    variants: { comments: endlessComments(() => []), after: endlessComments(eventsToMiddle) },
  },
  {
    number: 15,
    title: 'error event after content',
    usual: 'end',
    variants: {
      end: errorInStream((answer) => [...eventsToMiddle(answer), answer.form.errorEvent(failed)]),
      done: errorInStream((answer) => [...eventsToMiddle(answer), answer.form.errorEvent(failed), answer.done()]),
      event: errorInStream((answer) => [
        ...eventsToMiddle(answer),
        `event: error\n${answer.form.errorEvent(failed).replace(/^event: .*\n/, '')}`,
      ]),
      first: errorInStream((answer) => [answer.form.errorEvent(failed), answer.done()]),
      usage: errorInStream((answer) => [
        ...allFrames(answer).map(({ json }) => answer.form.event(json)),
        answer.form.errorEvent(failed),
        answer.done(),
      ]),
    },
  },
  {
    number: 24,
    title: 'terminal event twice',
    usual: 'done',
    variants: { done: afterDone((answer) => [answer.done()]) },
  },
  {
    number: 25,
    title: 'content after [DONE]',
    usual: 'content',
    variants: {
      content: afterDone((answer) => [answer.form.event(answer.contentFrame(' late')), answer.done()]),
      usage: afterDone((answer) => [
        answer.form.event(
          '{"id":"late","object":"chat.completion.chunk","created":1,"model":"late","choices":[],' +
            `"usage":{"prompt_tokens":${answer.usage.prompt},"completion_tokens":1000000,"total_tokens":1000000}}`,
        ),
        answer.done(),
      ]),
      garbage: afterDone(() => ['garbage without end']),
    },
  },
  {
    number: 32,
    title: 'tool-call deltas out of order',
    usual: 'order',
    variants: {
      order: toolDeltas(disordered),
      index: toolDeltas(disordered.map(withoutIndex)),
      late: toolDeltas([argued(0, '{"a":1}'), opened(0, 'call_a', 'alpha')]),
      gap: toolDeltas([opened(7, 'call_h', 'eta'), argued(7, '{}')]),
    },
  },
];
