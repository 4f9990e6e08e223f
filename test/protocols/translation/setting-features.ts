// The rest of what a request can ask for: histories with results and thinking, settings, and what a vendor keeps.

import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { data, schema } from './feature.ts';
import type { Feature } from './feature.ts';

const config = (generationConfig: JsonObject): JsonObject => ({ generationConfig });
const thinks = (thinkingConfig: JsonObject): JsonObject => config({ thinkingConfig });
const user: JsonObject = { role: 'user', content: 'Hello' };
const asked: JsonObject = { role: 'user', parts: [{ text: 'Hello' }] };

/** A function was called, and this came back. */
const resulted = {
  chat: (content: JsonValue): JsonObject => ({
    messages: [
      user,
      {
        role: 'assistant',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'find', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content },
    ],
  }),
  responses: (output: JsonValue, more: JsonObject = {}): JsonObject => ({
    input: [
      user,
      { type: 'function_call', call_id: 'c1', name: 'find', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output, ...more },
    ],
  }),
  anthropic: (content: JsonValue, more: JsonObject = {}): JsonObject => ({
    messages: [
      user,
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'find', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content, ...more }] },
    ],
  }),
  gemini: (response: JsonObject, more: JsonObject = {}): JsonObject => ({
    contents: [
      asked,
      { role: 'model', parts: [{ functionCall: { id: 'c1', name: 'find', args: {} } }] },
      { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'find', response, ...more } }] },
    ],
  }),
};

const thought = {
  responses: (more: JsonObject): JsonObject => ({
    input: [
      user,
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hmm' }], ...more },
      { role: 'assistant', content: 'Yes' },
      user,
    ],
  }),
  gemini: (more: JsonObject): JsonObject => ({
    contents: [asked, { role: 'model', parts: [{ text: 'Hmm', thought: true, ...more }, { text: 'Yes' }] }, asked],
  }),
};

const histories: readonly Feature[] = [
  {
    name: 'result of a function',
    asks: {
      chat: resulted.chat('Found'),
      responses: resulted.responses('Found'),
      anthropic: resulted.anthropic('Found'),
      gemini: resulted.gemini({ output: 'Found' }),
    },
    shows: /Found/,
  },
  {
    name: 'result with a picture',
    asks: {
      chat: resulted.chat([{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }]),
      responses: resulted.responses([{ type: 'input_image', image_url: `data:image/png;base64,${data}` }]),
      anthropic: resulted.anthropic([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }]),
      gemini: resulted.gemini({}, { parts: [{ inlineData: { mimeType: 'image/png', data } }] }),
    },
    shows: /cGljdHVyZQ==/,
  },
  {
    name: 'result that is a failure',
    asks: {
      responses: resulted.responses('Gone', { status: 'incomplete' }),
      anthropic: resulted.anthropic('Gone', { is_error: true }),
      gemini: resulted.gemini({ error: 'Gone' }),
    },
    shows: { responses: /"incomplete"/, anthropic: /"is_error":true/, gemini: /"error":"Gone"/ },
  },
  {
    name: 'earlier thinking, signed by its vendor',
    asks: {
      responses: thought.responses({ encrypted_content: 'sealed' }),
      anthropic: {
        messages: [
          user,
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'Hmm', signature: 'sealed' },
              { type: 'text', text: 'Yes' },
            ],
          },
          user,
        ],
      },
      gemini: thought.gemini({ thoughtSignature: 'sealed' }),
    },
    shows: /sealed/,
  },
  {
    name: 'earlier thinking, unsigned',
    asks: {
      chat: { messages: [user, { role: 'assistant', content: 'Yes', reasoning_content: 'Hmm' }, user] },
      responses: thought.responses({}),
      gemini: thought.gemini({}),
    },
    shows: /Hmm/,
  },
];

const thinking: readonly Feature[] = [
  {
    name: 'thinking, by effort',
    asks: {
      chat: { reasoning_effort: 'high' },
      responses: { reasoning: { effort: 'high' } },
      anthropic: { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
      gemini: thinks({ thinkingLevel: 'HIGH' }),
    },
    shows: /"(?:high|HIGH)"/,
  },
  {
    name: 'thinking, by the highest effort',
    asks: {
      chat: { reasoning_effort: 'max' },
      responses: { reasoning: { effort: 'max' } },
      anthropic: { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
    },
    shows: /"(?:max|HIGH)"/,
  },
  {
    // It becomes an effort wherever the model is not known to take a number.
    name: 'thinking, by a number of tokens',
    asks: {
      chat: { reasoning: { max_tokens: 2048 } },
      anthropic: { thinking: { type: 'enabled', budget_tokens: 2048 } },
      gemini: thinks({ thinkingBudget: 2048 }),
    },
    shows: /"(?:reasoning_effort|effort|thinkingLevel)":"\w+"/,
  },
  {
    name: 'thinking, none',
    asks: {
      chat: { reasoning_effort: 'none' },
      responses: { reasoning: { effort: 'none' } },
      anthropic: { thinking: { type: 'disabled' } },
      gemini: thinks({ thinkingBudget: 0 }),
    },
    shows: /"(?:reasoning_)?effort":"none"|"thinking":\{"type":"disabled"\}/,
  },
  {
    name: 'thinking, by a word that one vendor has',
    asks: { chat: { reasoning_effort: 'deep' }, gemini: thinks({ thinkingLevel: 'DEEP' }) },
    shows: /deep/i,
  },
  {
    name: 'thinking, to be shown',
    asks: {
      responses: { reasoning: { effort: 'high', summary: 'auto' } },
      anthropic: { thinking: { type: 'adaptive', display: 'summarized' } },
      gemini: thinks({ thinkingLevel: 'HIGH', includeThoughts: true }),
    },
    shows: /"summary":"auto"|"display":"summarized"|"includeThoughts":true/,
  },
];

const outputs: readonly Feature[] = [
  {
    name: 'an answer by a JSON Schema',
    asks: {
      chat: { response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } } },
      responses: { text: { format: { type: 'json_schema', name: 'a', schema, strict: true } } },
      anthropic: { output_config: { format: { type: 'json_schema', schema } } },
      gemini: config({ responseMimeType: 'application/json', responseJsonSchema: schema }),
    },
    shows: /"city"/,
  },
  {
    name: 'an answer by a JSON Schema, with what may be left out',
    asks: { anthropic: { output_config: { format: { type: 'json_schema', schema: { ...schema, required: [] } } } } },
    shows: /"city"/,
  },
  {
    name: 'an answer by a JSON Schema that is a list',
    asks: {
      anthropic: { output_config: { format: { type: 'json_schema', schema: { type: 'array', items: schema } } } },
      gemini: config({ responseSchema: { type: 'ARRAY', items: { type: 'STRING' } } }),
    },
    shows: /"array"/,
  },
  {
    name: 'an answer in JSON, without a schema',
    asks: {
      chat: { response_format: { type: 'json_object' } },
      responses: { text: { format: { type: 'json_object' } } },
      gemini: config({ responseMimeType: 'application/json' }),
    },
    shows: /"json_object"|"application\/json"/,
  },
  {
    name: 'several answers',
    asks: { chat: { n: 2 }, gemini: config({ candidateCount: 2 }) },
    shows: /"(?:n|candidateCount)":2/,
  },
  {
    name: 'a spoken answer',
    asks: {
      chat: { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
      gemini: config({ responseModalities: ['AUDIO'] }),
    },
    shows: /"(?:audio|AUDIO)"/,
  },
  {
    name: 'probabilities of tokens',
    asks: {
      chat: { logprobs: true, top_logprobs: 3 },
      responses: { include: ['message.output_text.logprobs'], top_logprobs: 3 },
      gemini: config({ responseLogprobs: true, logprobs: 3 }),
    },
    shows: /"(?:top_)?logprobs":3/,
  },
  {
    name: 'how wordy the answer is',
    asks: { chat: { verbosity: 'low' }, responses: { text: { verbosity: 'low' } } },
    shows: /"verbosity":"low"/,
  },
  {
    name: 'how wordy the answer is, by a word that one vendor has',
    asks: { chat: { verbosity: 'epic' }, responses: { text: { verbosity: 'epic' } } },
    shows: /epic/,
  },
  { name: 'a guess at the answer', asks: { chat: { prediction: { type: 'content', content: 'A' } } }, shows: {} },
];

const stops = (count: number): string[] => ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, count);

const sampling: readonly Feature[] = [
  {
    name: 'up to four stop sequences',
    asks: {
      chat: { stop: stops(4) },
      anthropic: { stop_sequences: stops(4) },
      gemini: config({ stopSequences: stops(4) }),
    },
    shows: /"a","b","c","d"/,
  },
  {
    name: 'five stop sequences',
    asks: { anthropic: { stop_sequences: stops(5) }, gemini: config({ stopSequences: stops(5) }) },
    shows: /"a","b","c","d","e"/,
  },
  { name: 'more stop sequences', asks: { anthropic: { stop_sequences: stops(6) } }, shows: /"f"\]/ },
  {
    name: '`temperature` above 1',
    asks: { chat: { temperature: 1.5 }, responses: { temperature: 1.5 }, gemini: config({ temperature: 1.5 }) },
    shows: /"temperature":1\.5/,
  },
  {
    name: '`top_p` beside `temperature`',
    asks: {
      chat: { temperature: 0.5, top_p: 0.9 },
      responses: { temperature: 0.5, top_p: 0.9 },
      anthropic: { temperature: 0.5, top_p: 0.9 },
      gemini: config({ temperature: 0.5, topP: 0.9 }),
    },
    shows: /"top(?:_p|P)":0\.9/,
  },
  {
    name: '`top_k`',
    asks: { chat: { top_k: 40 }, anthropic: { top_k: 40 }, gemini: config({ topK: 40 }) },
    shows: /"top(?:_k|K)":40/,
  },
  { name: '`min_p`', asks: { chat: { min_p: 0.1 } }, shows: {} },
  { name: '`seed`', asks: { chat: { seed: 7 }, gemini: config({ seed: 7 }) }, shows: /"seed":7/ },
  {
    name: 'penalties',
    asks: { chat: { presence_penalty: 0.5 }, gemini: config({ presencePenalty: 0.5 }) },
    shows: /"presence(?:_p|P)enalty":0\.5/,
  },
  { name: '`logit_bias`', asks: { chat: { logit_bias: { '50256': -100 } } }, shows: /"50256":-100/ },
];

const both = (fields: JsonObject) => ({ chat: fields, responses: fields });

const keeping: readonly Feature[] = [
  { name: '`prompt_cache_key`', asks: both({ prompt_cache_key: 'k1' }), shows: /"k1"/ },
  {
    name: 'the end user',
    asks: { ...both({ user: 'u1' }), anthropic: { metadata: { user_id: 'u1' } } },
    shows: /"u1"/,
  },
  { name: '`metadata`', asks: both({ metadata: { team: 'blue' } }), shows: /"blue"/ },
  {
    name: "the vendor's usual service",
    asks: {
      ...both({ service_tier: 'default' }),
      anthropic: { service_tier: 'standard_only' },
      gemini: { serviceTier: 'standard' },
    },
    // Gemini has no other unless it is asked for.
    shows: { chat: /"default"/, responses: /"default"/, anthropic: /"standard_only"/, gemini: /^(?!.*serviceTier)/ },
  },
  {
    name: "the vendor's faster service",
    asks: { ...both({ service_tier: 'priority' }), gemini: { serviceTier: 'priority' } },
    shows: /"priority"/,
  },
  {
    name: '`store`: the vendor is to keep the answer',
    asks: { ...both({ store: true }), gemini: { store: true } },
    shows: /"store":true/,
  },
  { name: '`previous_response_id`', asks: { responses: { previous_response_id: 'resp_1' } }, shows: {} },
  { name: '`conversation`', asks: { responses: { conversation: 'conv_1' } }, shows: {} },
  { name: '`prompt`: one that the vendor keeps', asks: { responses: { prompt: { id: 'p' } } }, shows: {} },
  { name: '`background`', asks: { responses: { background: true } }, shows: {} },
  { name: '`cachedContent`', asks: { gemini: { cachedContent: 'cachedContents/1' } }, shows: {} },
  {
    name: 'a field that Tollgate does not know',
    asks: { ...both({ brand_new: 1 }), anthropic: { brand_new: 1 }, gemini: { brandNew: 1 } },
    shows: {},
  },
];

export const settings: readonly Feature[] = [...histories, ...thinking, ...outputs, ...sampling, ...keeping];
