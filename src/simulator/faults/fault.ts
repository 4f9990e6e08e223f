// What a fault is: a number of the fault list, and scripts by variant, one of which is served without a
// suffix too.

import type { Clock } from '../../core/clock.ts';
import type { Answer, Frame, UsageText } from '../answer.ts';
import type { Script } from '../script.ts';
import { jsonReply, jsonType, streamReply } from '../wire.ts';

export interface FaultContext {
  /** The honest answer to deviate from. */
  readonly answer: Answer;
  readonly clock: Clock;
  /** How many requests for this very model came before. */
  readonly count: number;
}

export type FaultScript = (context: FaultContext) => Script;

export interface Fault {
  /** 1 to 32. */
  readonly number: number;
  /** A few words, shown in the list of models. */
  readonly title: string;
  /** The variant that the bare model name shows. */
  readonly usual: string;
  /** By suffix of the model name. */
  readonly variants: Readonly<Record<string, FaultScript>>;
}

/** The honest events as text, the terminal one last. */
export function* honestEvents(answer: Answer, usage: UsageText = 'honest'): Generator<string, void, undefined> {
  for (const frame of answer.frames(usage)) yield answer.form.event(frame.json);
  yield answer.done(usage);
}

/** The frames of a stream, all made. For answers of a size that faults are asked for. */
export function allFrames(answer: Answer, usage: UsageText = 'honest'): readonly Frame[] {
  return [...answer.frames(usage)];
}

/** Events up to the middle of the content: what a client has seen when something breaks off. */
export function eventsToMiddle(answer: Answer): readonly string[] {
  const frames = allFrames(answer);
  const content = frames.filter(({ kind }) => kind === 'content').length;
  const opening = frames.filter(({ kind }) => kind === 'open').length;
  return frames.slice(0, opening + Math.ceil(content / 2)).map(({ json }) => answer.form.event(json));
}

/**
 * A whole JSON body with more text in it: in its first content, or in a member of its own where it has none.
 */
export function withText(body: string, text: string): string {
  const place = /"(?:content|text)":"/.exec(body);
  const at = place ? place.index + place[0].length : 1;
  return body.slice(0, at) + (place ? text : `"padding":"${text}",`) + body.slice(at);
}

/** The honest reply, streamed or not. */
export function honestReply(answer: Answer, usage: UsageText = 'honest'): Script {
  return answer.stream
    ? streamReply(honestEvents(answer, usage), answer.timing)
    : jsonReply(200, answer.body(usage), jsonType, answer.timing);
}
