// What a request can ask for, written as the clients of each protocol write it. The table in `docs/protocols.md` is
// made of these: each one goes through the codecs, and what becomes of it is the cell.

import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { data, schema } from './feature.ts';
import type { Feature, Side } from './feature.ts';
import { settings } from './setting-features.ts';

/** A user's part, in each protocol. */
function part(name: string, shows: Feature['shows'], parts: { readonly [side in Side]?: JsonObject }): Feature {
  const { chat, responses, anthropic, gemini } = parts;
  return {
    name,
    shows,
    asks: {
      ...(chat && { chat: { messages: [{ role: 'user', content: [chat] }] } }),
      ...(responses && { responses: { input: [{ role: 'user', content: [responses] }] } }),
      ...(anthropic && { anthropic: { messages: [{ role: 'user', content: [anthropic] }] } }),
      ...(gemini && { gemini: { contents: [{ role: 'user', parts: [gemini] }] } }),
    },
  };
}

const address = (name: string): string => `https://files.example/${name}`;
const said = (role: string, content: string): JsonObject => ({ role, content });
const inline = (mimeType: string): JsonObject => ({ inlineData: { mimeType, data } });
const linked = (mimeType: string, fileUri: string): JsonObject => ({ fileData: { mimeType, fileUri } });
const googleFile = 'https://generativelanguage.googleapis.com/v1beta/files/f1';
const pdf: JsonObject = { type: 'base64', media_type: 'application/pdf', data };

const among = [said('user', 'One'), said('assistant', 'Two'), said('system', 'Be brief.'), said('user', 'Three')];
const bothWords = [said('system', 'Be brief.'), said('developer', 'Be kind.'), said('user', 'Hello')];

const texts: readonly Feature[] = [
  {
    name: 'system text',
    asks: {
      chat: { messages: [said('system', 'Be brief.'), said('user', 'Hello')] },
      responses: { instructions: 'Be brief.' },
      anthropic: { system: 'Be brief.' },
      gemini: { systemInstruction: { parts: [{ text: 'Be brief.' }] } },
    },
    shows: /Be brief\./,
  },
  {
    name: "a developer's text beside the system text",
    asks: { chat: { messages: bothWords }, responses: { input: bothWords } },
    shows: { chat: /"developer"/, responses: /"developer"/, anthropic: /Be kind\./, gemini: /Be kind\./ },
  },
  {
    name: 'the name of who speaks',
    asks: { chat: { messages: [{ role: 'user', name: 'Ann', content: 'Hello' }] } },
    shows: {},
  },
  {
    name: 'system text among the turns',
    asks: { chat: { messages: among }, responses: { input: among }, anthropic: { messages: among } },
    shows: /Be brief\./,
  },
];

const media: readonly Feature[] = [
  part('picture, its bytes', /cGljdHVyZQ==/, {
    chat: { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
    responses: { type: 'input_image', image_url: `data:image/png;base64,${data}` },
    anthropic: { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
    gemini: inline('image/png'),
  }),
  part('picture, by address', /files\.example\/a\.png/, {
    chat: { type: 'image_url', image_url: { url: address('a.png') } },
    responses: { type: 'input_image', image_url: address('a.png') },
    anthropic: { type: 'image', source: { type: 'url', url: address('a.png') } },
    gemini: linked('image/png', address('a.png')),
  }),
  part('picture, how closely to look at it', /"detail":"low"/, {
    chat: { type: 'image_url', image_url: { url: address('a.png'), detail: 'low' } },
    responses: { type: 'input_image', image_url: address('a.png'), detail: 'low' },
  }),
  part('document, its bytes', /cGljdHVyZQ==/, {
    chat: { type: 'file', file: { file_data: `data:application/pdf;base64,${data}` } },
    responses: { type: 'input_file', file_data: `data:application/pdf;base64,${data}` },
    anthropic: { type: 'document', source: pdf },
    gemini: inline('application/pdf'),
  }),
  part('document, its file name', /report\.pdf/, {
    chat: { type: 'file', file: { filename: 'report.pdf', file_data: `data:application/pdf;base64,${data}` } },
    responses: { type: 'input_file', filename: 'report.pdf', file_data: `data:application/pdf;base64,${data}` },
    anthropic: { type: 'document', title: 'report.pdf', source: pdf },
  }),
  part('document, by address', /files\.example\/a\.pdf/, {
    responses: { type: 'input_file', file_url: address('a.pdf') },
    anthropic: { type: 'document', source: { type: 'url', url: address('a.pdf') } },
    gemini: linked('application/pdf', address('a.pdf')),
  }),
  part('document, by address and with its file name', /report\.pdf/, {
    responses: { type: 'input_file', filename: 'report.pdf', file_url: address('a.pdf') },
    anthropic: { type: 'document', title: 'report.pdf', source: { type: 'url', url: address('a.pdf') } },
  }),
  part('document, stored at the vendor', /file-1|files\/f1/, {
    chat: { type: 'file', file: { file_id: 'file-1' } },
    responses: { type: 'input_file', file_id: 'file-1' },
    anthropic: { type: 'document', source: { type: 'file', file_id: 'file-1' } },
    gemini: linked('application/pdf', googleFile),
  }),
  part('document, with a word about it', /About last year/, {
    anthropic: { type: 'document', source: pdf, context: 'About last year' },
  }),
  part(
    'document, citations asked of it',
    { anthropic: /"citations":\{"enabled":true\}/ },
    {
      anthropic: { type: 'document', source: pdf, citations: { enabled: true } },
    },
  ),
  part('sound', /cGljdHVyZQ==/, {
    chat: { type: 'input_audio', input_audio: { data, format: 'wav' } },
    responses: { type: 'input_audio', input_audio: { data, format: 'wav' } },
    gemini: inline('audio/wav'),
  }),
  part('video', /cGljdHVyZQ==|a\.mp4/, {
    chat: { type: 'video_url', video_url: { url: address('a.mp4') } },
    gemini: inline('video/mp4'),
  }),
  part('a mark up to which to cache', /"cache_control"/, {
    chat: { type: 'text', text: 'Long', cache_control: { type: 'ephemeral' } },
    anthropic: { type: 'text', text: 'Long', cache_control: { type: 'ephemeral' } },
  }),
];

/** Functions of these names, as each protocol offers them. */
const functions = {
  chat: (names: readonly string[], more: JsonObject = {}): JsonValue[] =>
    names.map((name) => ({ type: 'function', function: { name, parameters: schema, ...more } })),
  responses: (names: readonly string[], more: JsonObject = {}): JsonValue[] =>
    names.map((name) => ({ type: 'function', name, parameters: schema, ...more })),
  anthropic: (names: readonly string[], more: JsonObject = {}): JsonValue[] =>
    names.map((name) => ({ name, input_schema: schema, ...more })),
  gemini: (names: readonly string[]): JsonObject => ({
    functionDeclarations: names.map((name) => ({ name, parametersJsonSchema: schema })),
  }),
};
const offers = (names: readonly string[]) => ({
  chat: { tools: functions.chat(names) },
  responses: { tools: functions.responses(names) },
  anthropic: { tools: functions.anthropic(names) },
  gemini: { tools: [functions.gemini(names)] },
});
const one = offers(['find']);
const three = offers(['find', 'look', 'unlisted']);
const calling = (mode: string, allowedFunctionNames: readonly string[]): JsonObject => ({
  functionCallingConfig: { mode, allowedFunctionNames },
});
const allowed: JsonObject = {
  mode: 'required',
  tools: ['find', 'look'].map((name) => ({ type: 'function', function: { name } })),
};
const free: JsonObject = { name: 'shell', description: 'Runs a command' };
const grammar: JsonObject = { syntax: 'lark', definition: 'start: WORD' };
const vendors = {
  responses: { type: 'web_search' },
  anthropic: { type: 'web_search_20250305', name: 'web_search' },
  gemini: { googleSearch: {} },
};

const tools: readonly Feature[] = [
  { name: 'functions', asks: one, shows: /"find"/ },
  { name: 'functions in the older form', asks: { chat: { functions: [{ name: 'find' }] } }, shows: /"find"/ },
  {
    name: 'functions, strict',
    asks: {
      chat: { tools: functions.chat(['find'], { strict: true }) },
      responses: { tools: functions.responses(['find'], { strict: true }) },
      anthropic: { tools: functions.anthropic(['find'], { strict: true }) },
    },
    shows: /"strict":true/,
  },
  {
    name: 'functions, strict, with what may be left out',
    asks: { anthropic: { tools: [{ name: 'find', input_schema: { ...schema, required: [] }, strict: true }] } },
    shows: /"strict":true/,
  },
  {
    name: 'a tool of free text beside functions',
    asks: {
      chat: { tools: [...one.chat.tools, { type: 'custom', custom: free }] },
      responses: { tools: [...one.responses.tools, { type: 'custom', ...free }] },
    },
    shows: /"shell"/,
  },
  {
    name: 'a tool of free text that has a grammar',
    asks: {
      chat: { tools: [{ type: 'custom', custom: { ...free, format: { type: 'grammar', grammar } } }] },
      responses: { tools: [{ type: 'custom', ...free, format: { type: 'grammar', ...grammar } }] },
    },
    shows: { chat: /"grammar":\{"syntax"/, responses: /"type":"grammar","syntax"/ },
  },
  {
    name: 'a tool of free text must be called',
    asks: {
      chat: { tools: [{ type: 'custom', custom: free }], tool_choice: { type: 'custom', custom: { name: 'shell' } } },
      responses: { tools: [{ type: 'custom', ...free }], tool_choice: { type: 'custom', name: 'shell' } },
    },
    shows: { chat: /"tool_choice":\{"type":"custom"/, responses: /"tool_choice":\{"type":"custom"/ },
  },
  {
    name: 'a tool of the vendor beside functions',
    asks: {
      responses: { tools: [...one.responses.tools, vendors.responses] },
      anthropic: { tools: [...one.anthropic.tools, vendors.anthropic] },
      gemini: { tools: [...one.gemini.tools, vendors.gemini] },
    },
    shows: {},
  },
  {
    name: 'a tool of the vendor alone',
    asks: {
      chat: { web_search_options: { search_context_size: 'low' } },
      responses: { tools: [vendors.responses] },
      anthropic: { tools: [vendors.anthropic] },
      gemini: { tools: [vendors.gemini] },
    },
    shows: {},
  },
  { name: 'servers of tools that the vendor asks', asks: { anthropic: { mcp_servers: [{ name: 'a' }] } }, shows: {} },
  {
    name: 'one function must be called',
    asks: {
      chat: { ...three.chat, tool_choice: { type: 'function', function: { name: 'find' } } },
      responses: { ...three.responses, tool_choice: { type: 'function', name: 'find' } },
      anthropic: { ...three.anthropic, tool_choice: { type: 'tool', name: 'find' } },
      gemini: { ...three.gemini, toolConfig: calling('ANY', ['find']) },
    },
    shows: {
      chat: /"tool_choice":\{.*"find"/,
      responses: /"tool_choice":\{.*"find"/,
      anthropic: /"tool_choice":\{.*"find"/,
      gemini: /"allowedFunctionNames":\["find"\]/,
    },
  },
  {
    name: 'only some functions may be called',
    asks: {
      chat: { ...three.chat, tool_choice: { type: 'allowed_tools', allowed_tools: allowed } },
      responses: {
        ...three.responses,
        tool_choice: {
          type: 'allowed_tools',
          mode: 'required',
          tools: ['find', 'look'].map((name) => ({ type: 'function', name })),
        },
      },
      gemini: { ...three.gemini, toolConfig: calling('ANY', ['find', 'look']) },
    },
    // The others are not offered where there is no such list.
    shows: {
      chat: /"allowed_tools"/,
      responses: /"allowed_tools"/,
      anthropic: /^(?!.*unlisted).*"find"/,
      gemini: /"allowedFunctionNames":\["find","look"\]/,
    },
  },
  {
    name: 'one call at a time',
    asks: {
      chat: { ...one.chat, parallel_tool_calls: false },
      responses: { ...one.responses, parallel_tool_calls: false },
      anthropic: { ...one.anthropic, tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    },
    shows: /"parallel_tool_calls":false|"disable_parallel_tool_use":true/,
  },
];

export const features: readonly Feature[] = [...texts, ...media, ...tools, ...settings];
