// The document of /v1, written by hand: bodies go through unchanged, so only what the gateway itself reads or
// adds is described closely, and every other field is left to the upstream.

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Json, JsonObject } from './json.ts';
import { openApiVersion } from './normalise.ts';

const reference = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });
const json = (name: string): JsonObject => ({ 'application/json': { schema: reference(name) } });

const modelField: JsonObject = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  description: 'A public model name of this gateway; see `GET /v1/models`.',
};
const streamFields: JsonObject = {
  stream: { type: 'boolean', description: 'True: the reply comes as server-sent events.' },
  stream_options: {
    type: 'object',
    properties: {
      include_usage: {
        type: 'boolean',
        description: 'Sends a last chunk with the usage. The gateway reads the usage either way.',
      },
    },
  },
};
const choicesField: JsonObject = { type: 'integer', minimum: 1, description: 'Choices to generate; each is charged.' };
const outputLimit = (words: string): JsonObject => ({
  type: 'integer',
  minimum: 1,
  description: `${words} Bounds the money that is held for the call.`,
});

const request = (description: string, required: readonly string[], properties: JsonObject): JsonObject => ({
  type: 'object',
  description: `${description} Fields that are not listed go to the upstream unchanged.`,
  required,
  properties,
  additionalProperties: true,
});

const usageSchema: JsonObject = {
  type: 'object',
  description: 'Token counts as the upstream reports them.',
  properties: {
    prompt_tokens: { type: 'integer' },
    completion_tokens: { type: 'integer' },
    total_tokens: { type: 'integer' },
  },
};

const reply = (description: string, kind: string, rows: string): JsonObject => ({
  type: 'object',
  description: `${description} Comes from the upstream unchanged.`,
  properties: {
    object: { type: 'string', examples: [kind] },
    model: { type: 'string' },
    [rows]: { type: 'array', items: { type: 'object' } },
    usage: usageSchema,
  },
});

const schemas: JsonObject = {
  ChatCompletionRequest: request('A chat call.', ['model', 'messages'], {
    model: modelField,
    messages: {
      type: 'array',
      minItems: 1,
      items: { type: 'object', required: ['role'], properties: { role: { type: 'string' }, content: {} } },
    },
    ...streamFields,
    max_completion_tokens: outputLimit('Most tokens of output in one choice.'),
    max_tokens: outputLimit('The older name of `max_completion_tokens`.'),
    n: choicesField,
  }),
  CompletionRequest: request('A text completion.', ['model', 'prompt'], {
    model: modelField,
    prompt: { description: 'A text, a list of texts, or tokens.', anyOf: [{ type: 'string' }, { type: 'array' }] },
    ...streamFields,
    max_tokens: outputLimit('Most tokens of output in one choice.'),
    n: choicesField,
    best_of: { type: 'integer', minimum: 1, description: 'Choices generated at the upstream; each is charged.' },
  }),
  EmbeddingsRequest: request('Texts to embed.', ['model', 'input'], {
    model: modelField,
    input: { description: 'A text, a list of texts, or tokens.', anyOf: [{ type: 'string' }, { type: 'array' }] },
  }),
  ChatCompletion: reply('A reply.', 'chat.completion', 'choices'),
  Completion: reply('A reply.', 'text_completion', 'choices'),
  Embeddings: reply('Vectors.', 'list', 'data'),
  Model: {
    type: 'object',
    required: ['id', 'object', 'created', 'owned_by'],
    properties: {
      id: { type: 'string' },
      object: { const: 'model' },
      created: { type: 'integer' },
      owned_by: { type: 'string' },
    },
  },
  ModelList: {
    type: 'object',
    required: ['object', 'data'],
    properties: { object: { const: 'list' }, data: { type: 'array', items: reference('Model') } },
  },
  Error: {
    type: 'object',
    description: 'A refusal or failure, in the shape that clients of this protocol read.',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['message', 'type'],
        properties: {
          message: { type: 'string', description: 'Names the field, the limit and the remedy.' },
          type: { type: 'string' },
          param: { type: ['string', 'null'], description: 'The field or header at fault.' },
          code: {
            type: ['string', 'null'],
            description: 'A code of the gateway, or of the upstream where it refused the request itself.',
          },
          clause: { type: 'string', description: 'The clause of a terms document that refuses.' },
          link: { type: 'string', description: 'Where to read or accept it.' },
        },
      },
    },
  },
};

/** What each status of a refused call means here. */
const refusals: Readonly<Record<number, string>> = {
  400: 'The request is wrong.',
  401: 'No API key, or one that is not valid.',
  403: 'This key, account or policy does not allow it.',
  404: 'There is no such model, or nothing at this path.',
  413: 'The body is too large.',
  415: 'Compressed bodies are not accepted.',
  421: 'The gateway does not answer to this host name.',
  428: 'Terms have to be accepted first.',
  429: 'Too many requests, or the money is out: `x-should-retry: false` tells the second from the first.',
  451: 'Not offered in this region.',
  500: 'The gateway failed.',
  502: 'Every upstream failed.',
  503: 'No upstream, or money cannot be booked now.',
  504: 'No upstream answered in time.',
  508: 'Gateways point at each other.',
};

const codesOf = (status: number): readonly string[] =>
  Object.keys(errorTable)
    .filter((code): code is ErrorCode => code in errorTable)
    .filter((code) => errorTable[code].status === status);

const refusalResponses = Object.fromEntries(
  Object.entries(refusals).map(([status, words]): [string, JsonObject] => [
    `Refused${status}`,
    {
      description: `${words} Codes: ${codesOf(Number(status))
        .map((code) => `\`${code}\``)
        .join(', ')}.`,
      headers: {
        'x-request-id': {
          description: "Names this request in the gateway's log and usage records.",
          schema: { type: 'string' },
        },
        ...(status === '429' || status === '503'
          ? {
              'retry-after': {
                description: 'Seconds; absent where a retry makes no sense.',
                schema: { type: 'integer' },
              },
            }
          : {}),
      },
      content: json('Error'),
    },
  ]),
);

const refused = (...statuses: readonly number[]): JsonObject =>
  Object.fromEntries(statuses.map((status) => [String(status), { $ref: `#/components/responses/Refused${status}` }]));

const asked = [400, 401, 403, 404, 413, 415, 428, 429, 451, 500, 502, 503, 504, 508] as const;

const EVENTS =
  'Server-sent events: each `data:` line is a chunk in JSON, the last one is `[DONE]`, which comes only after the call was ' +
  'charged durably. A stream whose money runs out ends well-formed, with the finish reason `length`.';

function call(operationId: string, summary: string, body: string, answer: string, streamed: boolean): JsonObject {
  const events: JsonObject = streamed
    ? { 'text/event-stream': { schema: { type: 'string', description: EVENTS } } }
    : {};
  return {
    post: {
      operationId,
      summary,
      tags: ['Inference'],
      description: streamed
        ? `With \`stream: true\` the answer is a stream. ${EVENTS}`
        : 'The body goes to the upstream unchanged but for the model name.',
      requestBody: { required: true, content: json(body) },
      responses: {
        200: {
          description: streamed ? 'The reply; a stream if asked for.' : 'The reply.',
          headers: {
            'x-request-id': { description: 'Names this request in the usage records.', schema: { type: 'string' } },
          },
          content: { ...json(answer), ...events },
        },
        ...refused(...asked),
      },
    },
  };
}

const paths: JsonObject = {
  '/v1/chat/completions': call('createChatCompletion', 'Chat', 'ChatCompletionRequest', 'ChatCompletion', true),
  '/v1/completions': call('createCompletion', 'Complete a text', 'CompletionRequest', 'Completion', true),
  '/v1/embeddings': call('createEmbeddings', 'Embed texts', 'EmbeddingsRequest', 'Embeddings', false),
  '/v1/models': {
    get: {
      operationId: 'listModels',
      summary: 'Models that this key may use',
      tags: ['Models'],
      responses: {
        200: { description: 'The models.', content: json('ModelList') },
        ...refused(400, 401, 403, 429, 500),
      },
    },
  },
  '/v1/models/{model}': {
    get: {
      operationId: 'getModel',
      summary: 'One model',
      tags: ['Models'],
      parameters: [
        {
          name: 'model',
          in: 'path',
          required: true,
          description: 'Its name; a slash in it may be sent as it is.',
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: { description: 'The model.', content: json('Model') },
        ...refused(400, 401, 403, 404, 429, 500),
      },
    },
  },
};

const keySchemes: JsonObject = {
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key of this gateway: `Authorization: Bearer tg_...`.',
  },
  apiKeyHeader: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key in another header.' },
};

export function clientDocument(version: string): JsonObject {
  const security: Json = [{ apiKey: [] }, { apiKeyHeader: [] }];
  return {
    openapi: openApiVersion,
    info: {
      title: 'Tollgate client API',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'What client applications call. It speaks the OpenAI protocol; existing clients need another base URL and key, and nothing else.',
    },
    servers: [{ url: '/', description: 'This gateway' }],
    tags: [
      { name: 'Inference', description: 'Calls that are relayed, counted and charged.' },
      { name: 'Models', description: 'What can be called.' },
    ],
    security,
    paths,
    components: { schemas, responses: refusalResponses, securitySchemes: keySchemes },
  };
}
