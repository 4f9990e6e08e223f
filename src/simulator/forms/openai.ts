// OpenAI's words: chat, legacy completions and embeddings alike.

import { errorBody, event } from '../wire.ts';
import type { Form } from './form.ts';

const serverError = 'server_error';

export const openAiForm: Form = {
  event,
  error: (_status, message, type, code, param = null) => errorBody(message, type, code, param),
  errorEvent: (message) => event(errorBody(message, serverError, null)),
  honestUsage: ({ prompt, completion, cached, reasoning }) =>
    `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion},` +
    `"prompt_tokens_details":{"cached_tokens":${cached},"audio_tokens":0},` +
    `"completion_tokens_details":{"reasoning_tokens":${reasoning},"audio_tokens":0,` +
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}',
  usage(prompt, completion, total, cached, reasoning) {
    const inside = cached === undefined ? '' : `,"prompt_tokens_details":{"cached_tokens":${cached}}`;
    const thought = reasoning === undefined ? '' : `,"completion_tokens_details":{"reasoning_tokens":${reasoning}}`;
    return `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${total}${inside}${thought}}`;
  },
};
