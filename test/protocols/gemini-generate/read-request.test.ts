// Gemini's requests, read: what the pipeline needs of them, both spellings, and what cannot be understood.

import { describe, expect, test } from 'bun:test';
import { geminiGenerate } from '../../../src/protocols/gemini-generate/gemini-generate.ts';
import { sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import { contents, line, parsed } from './request-kit.ts';
import { refusal } from '../translation-kit.ts';

const encoded = (body: JsonValue | string): Uint8Array =>
  new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
const facts = (body: JsonValue | string) => geminiGenerate.readRequest(encoded(body), line);

describe('the facts of a Gemini request', () => {
  test('model and stream come from the path, limits from the body in either spelling', () => {
    for (const config of [
      { generationConfig: { maxOutputTokens: 7, candidateCount: 2 } },
      { generation_config: { max_output_tokens: 7, candidate_count: 2 } },
    ])
      expect(facts({ contents, ...config })).toMatchObject({
        model: 'gemini-x',
        modelSpan: undefined,
        stream: true,
        outputLimit: 7,
        choices: 2,
        wantsUsage: true,
      });
    expect(facts({ contents, generationConfig: null })).toMatchObject({ outputLimit: undefined, choices: 1 });
    expect(geminiGenerate.readRequest(encoded({ contents }), { ...line, framing: 'json-array' }).framing).toBe(
      'json-array',
    );
    expect(facts({ contents }).framing).toBeUndefined();
  });

  test('a model that the body names, too, is where it can be replaced', () => {
    const body = '{"model":"models/other","contents":[]}';
    const span = facts(body).modelSpan;
    expect(body.slice(span?.start, span?.end)).toBe('"models/other"');
  });

  test.each([
    ['{"generationConfig":{},"generation_config":{}}', 'generationConfig: is also sent as generation_config'],
    ['{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}', 'generationConfig.maxOutputTokens: is also'],
    ['{"generationconfig":{"maxOutputTokens":1}}', 'generationConfig: is written in another letter case'],
    ['{"GenerationConfig":{}}', 'generationconfig: is written in another letter case'],
    ['{"generation_config":{"maxoutputtokens":1}}', 'generationConfig.maxOutputTokens: is written in another'],
    ['{"generationConfig":{"maxOutputTokens":"9"}}', 'generationConfig.maxOutputTokens: must be an integer'],
    ['{"generationConfig":{"candidateCount":0}}', 'generationConfig.candidateCount: must be an integer'],
    ['{"generationConfig":[]}', 'generationConfig: must be an object'],
    ['{"tools":7}', 'tools: must be a list'],
    ['{"contents":[],"contents":[]}', 'contents: this key stands twice'],
    ['[]', 'The request body must be a JSON object.'],
  ])('%s is refused', (body, words) => {
    expect(refusal(() => facts(body))).toStartWith(words);
  });

  test('input has a bound unless it refers to something outside itself', () => {
    const bound = (body: JsonValue | string) => facts(body).inputBound;
    const functions = { functionDeclarations: [{ name: 'f' }] };
    expect(bound({ contents })).toBeGreaterThan(1_000);
    expect(bound({ contents, tools: [functions], cachedContent: null })).toBeGreaterThan(1_000);
    expect(bound({ contents: [{ parts: [{ text: 'about "inlineData" and "fileData"' }] }] })).toBeGreaterThan(1_000);
    for (const more of [
      { tools: [functions, { googleSearch: {} }] },
      { tools: { url_context: {} } },
      { tools: [{ ...functions, code_execution: {} }] },
      { cachedContent: 'cachedContents/1' },
      { cached_content: 'cachedContents/1' },
      { contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }] }] },
      { contents: [{ parts: [{ file_data: { file_uri: 'gs://b/o' } }] }] },
    ])
      expect(bound({ contents, ...more })).toBeUndefined();
    expect(bound('{"contents":[{"parts":[{"inline\\u0044ata":{"data":"AAAA"}}]}]}')).toBeUndefined();
  });
});

describe('a Gemini request is read', () => {
  test('in both spellings alike', () => {
    const camel = {
      systemInstruction: { parts: [{ text: 'Be brief' }] },
      contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'QUI' } }] }],
      generationConfig: {
        topP: 0.5,
        stopSequences: ['x'],
        thinkingConfig: { thinkingBudget: 5, includeThoughts: true },
      },
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f', 'g'] } },
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object' } }] }],
    };
    const snake = {
      system_instruction: { parts: { text: 'Be brief' } },
      contents: { role: 'user', parts: { inline_data: { mime_type: 'image/png', data: 'QUI' } } },
      generation_config: {
        top_p: 0.5,
        stop_sequences: ['x'],
        thinking_config: { thinking_budget: 5, include_thoughts: true },
      },
      tool_config: { function_calling_config: { mode: 'any', allowed_function_names: ['f', 'g'] } },
      tools: { function_declarations: { name: 'f', parameters_json_schema: { type: 'object' } } },
    };
    expect(parsed(snake)).toEqual(parsed(camel));
    expect(parsed(camel)).toMatchObject({
      topP: 0.5,
      stop: ['x'],
      toolChoice: { kind: 'allowed', mode: 'required', names: ['f', 'g'] },
      thinking: { mode: 'on', budgetTokens: 5, shown: true },
      unmapped: [],
      turns: [
        { role: 'system', parts: [{ text: 'Be brief' }] },
        { role: 'user', parts: [{ kind: 'image', source: { from: 'base64', mediaType: 'image/png', data: 'QUI=' } }] },
      ],
    });
  });

  test.each([
    [{}, 'contents: '],
    [{ contents: 'Hi' }, 'contents: '],
    [{ contents: ['Hi'] }, 'contents[0]: '],
    [{ contents: [{ role: 'system', parts: [] }] }, 'contents[0].role: '],
    [{ contents: [{ parts: [{ text: 7 }] }] }, 'contents[0].parts[0].text: '],
    [{ contents: [{ parts: [{ text: 'a', inlineData: {} }] }] }, 'contents[0].parts[0]: has both'],
    [{ contents: [{ parts: [{ inlineData: { data: 'A' } }] }] }, 'contents[0].parts[0].inlineData.mimeType: '],
    [{ contents: [{ parts: [{ fileData: {} }] }] }, 'contents[0].parts[0].fileData.fileUri: '],
    [
      { contents: [{ parts: [{ functionResponse: { name: 'f' } }] }] },
      'contents[0].parts[0].functionResponse: answers',
    ],
    [{ contents: [{ role: 'model', parts: [{ functionCall: {} }] }] }, 'contents[0].parts[0].functionCall.name: '],
    [{ contents, tools: [{ functionDeclarations: [{}] }] }, 'tools[0].functionDeclarations[0].name: '],
    [{ contents, toolConfig: { functionCallingConfig: { mode: 'MAYBE' } } }, 'toolConfig.functionCallingConfig.mode: '],
    [{ contents, systemInstruction: 'Be brief' }, 'systemInstruction: '],
    [{ contents, systemInstruction: { parts: [] }, system_instruction: {} }, 'systemInstruction: is also sent'],
    [{ contents, generationConfig: { topP: 1, top_p: 1 } }, 'generationConfig.topP: is also sent'],
  ] satisfies [JsonValue, string][])('%j is refused by its path', (body, path) => {
    expect(refusal(() => parsed(body))).toStartWith(path);
  });

  test('what has no neutral place is weighed', () => {
    const body = {
      contents: [{ parts: [{ fileData: { fileUri: 'https://youtu.be/x' }, videoMetadata: { fps: 1 } }] }],
      cachedContent: 'c',
      safetySettings: [{ category: 'x' }],
      labels: {},
      generationConfig: { speechConfig: { a: 1 }, mediaResolution: 'HIGH', stopSequences: [] },
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } },
    };
    expect(
      parsed(body)
        .unmapped.map(({ path, weight }) => `${weight} ${path}`)
        .toSorted(),
    ).toEqual([
      'hint generationConfig.mediaResolution',
      'hint safetySettings',
      'hint toolConfig.functionCallingConfig.mode',
      'meaning cachedContent',
      'meaning contents[0].parts[0].videoMetadata',
      'meaning generationConfig.speechConfig',
    ]);
  });

  test("Google's schemas become JSON Schema", () => {
    const parameters = {
      type: 'OBJECT',
      properties: {
        type: { type: 'STRING', nullable: true, format: 'enum', enum: ['A'] },
        n: { type: 'INTEGER', enum: ['1', '2'] },
        list: { type: 'ARRAY', min_items: '1', items: { any_of: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }] } },
      },
      required: ['type'],
    };
    const [tool] = parsed({ contents, tools: [{ functionDeclarations: [{ name: 'f', parameters }] }] }).tools;
    expect(tool?.kind === 'function' && tool.parameters).toEqual({
      type: 'object',
      properties: {
        type: { type: ['string', 'null'], enum: ['A', null] },
        n: { type: 'integer', enum: [1, 2] },
        list: { type: 'array', minItems: 1, items: { anyOf: [{ type: 'number' }, { type: 'boolean' }] } },
      },
      required: ['type'],
    });
    const schema = { type: 'OBJECT', properties: { nullable: { type: 'STRING', default: 'STRING' } } };
    const config = { responseMimeType: 'application/json', responseJsonSchema: schema };
    expect(parsed({ contents, generationConfig: config }).outputForm).toEqual({
      kind: 'schema',
      schema: { type: 'object', properties: { nullable: { type: 'string', default: 'STRING' } } },
    });
  });

  test('calls without ids get the same ones each time, and results find theirs', () => {
    const call = (name: string, id?: string) => ({
      functionCall: { name, args: {}, ...(id === undefined ? {} : { id }) },
    });
    const result = (name: string, value: string, id?: string) => ({
      functionResponse: { name, response: { output: value }, ...(id === undefined ? {} : { id }) },
    });
    const history = [
      ...contents,
      { role: 'model', parts: [call('f'), call('g'), call('f')] },
      { role: 'user', parts: [result('f', 'one'), result('f', 'two'), result('g', 'three')] },
      { role: 'model', parts: [call('f', 'own')] },
      { role: 'function', parts: [result('f', 'four', 'own')] },
    ];
    const { turns } = parsed({ contents: history });
    const ids = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'tool-call' ? [part.id] : [])));
    expect(ids).toEqual(['gemini_call_1', 'gemini_call_2', 'gemini_call_3', 'own']);
    const answered = turns.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === 'tool-result' ? [[part.callId, part.parts]] : [])),
    );
    expect(answered).toEqual([
      ['gemini_call_1', [{ kind: 'text', text: 'one' }]],
      ['gemini_call_3', [{ kind: 'text', text: 'two' }]],
      ['gemini_call_2', [{ kind: 'text', text: 'three' }]],
      ['own', [{ kind: 'text', text: 'four' }]],
    ]);
    expect(parsed({ contents: history.slice(0, 3) }).turns).toEqual(turns.slice(0, 3));
  });

  test('chunks of a stream that a client kept as contents are one turn, and sealed signatures are opened', () => {
    const signature = { protocol: 'anthropic-messages', form: 'signature', value: 'sig' } as const;
    const model = (part: JsonValue) => ({ role: 'model', parts: [part] });
    const { turns } = parsed({
      contents: [
        ...contents,
        model({ text: 'Let me', thought: true }),
        model({ text: ' see', thought: true }),
        model({ text: '', thought: true, thoughtSignature: sealSignature(signature) }),
        model({ text: 'Yes' }),
        model({ text: '!', thoughtSignature: 'c2ln' }),
        { role: 'model', parts: [] },
        model({ functionCall: { name: 'f' }, thoughtSignature: 'skip_thought_signature_validator' }),
      ],
    });
    expect(turns).toHaveLength(2);
    expect(turns[1]?.parts).toEqual([
      { kind: 'thinking', text: 'Let me see', signature },
      { kind: 'text', text: 'Yes!' },
      { kind: 'thinking', text: '', signature: { protocol: 'gemini-generate', form: 'signature', value: 'c2ln' } },
      { kind: 'tool-call', id: 'gemini_call_1', name: 'f', arguments: '{}', signature: undefined },
    ]);
  });
});
