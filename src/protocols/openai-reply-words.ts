// What replies of OpenAI's chat and responses say in the same words: probabilities of tokens, and errors.

import type { JsonValue } from '../plugin/conversation.ts';
import type { TokenLogprob, UpstreamErrorText } from '../plugin/conversation-reply.ts';
import { isList, isObject, listOf, numberOf, objectOf, stringOf } from './json-fields.ts';

export function logprobsOf(value: JsonValue | undefined): readonly TokenLogprob[] {
  return listOf(value).flatMap((each): TokenLogprob[] => {
    const one = oneLogprob(each);
    if (one === undefined) return [];
    return [{ ...one, top: listOf(objectOf(each)['top_logprobs']).flatMap((top) => oneLogprob(top) ?? []) }];
  });
}

function oneLogprob(value: JsonValue): Omit<TokenLogprob, 'top'> | undefined {
  const fields = objectOf(value);
  const token = stringOf(fields['token']);
  const logprob = numberOf(fields['logprob']);
  if (token === undefined || logprob === undefined) return undefined;
  const bytes = isList(fields['bytes']) ? fields['bytes'].flatMap((each) => numberOf(each) ?? []) : null;
  return { token, logprob, bytes };
}

/** Some who speak these protocols have nothing but a text. */
export function errorWords(value: JsonValue | undefined): UpstreamErrorText {
  if (typeof value === 'string') return { message: value };
  const error = objectOf(value);
  const { code } = error;
  return {
    message: stringOf(error['message']) ?? stringOf(error['detail']) ?? 'The upstream gave no reason.',
    type: stringOf(error['type']),
    code: typeof code === 'number' ? String(code) : stringOf(code),
    param: stringOf(error['param']),
  };
}

/** The words of an error body: OpenAI's, and the forms of those who speak its protocols. */
export function readError(body: JsonValue): UpstreamErrorText | undefined {
  const fields = objectOf(body);
  const error = fields['error'];
  if (typeof error === 'string' && error !== '') return { message: error };
  if (isObject(error)) return stringOf(error['message']) === undefined ? undefined : errorWords(error);
  const message = stringOf(fields['message']) ?? stringOf(fields['detail']);
  return message === undefined ? undefined : { message, type: stringOf(fields['type']) };
}
