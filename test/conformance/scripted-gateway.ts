// A gateway before one upstream that answers what a test tells it to: the request that arrived there can be read, and
// the record of what was charged. Each model is served in the protocol, and by the vendor's rules, that its name says.

import { defineGateway, fromEnvironment, named } from '../../src/plugin/index.ts';
import type { GatewayConfig, ModelConfig, PluginEntry } from '../../src/plugin/index.ts';
import {
  anthropic,
  azureOpenAi,
  deepSeek,
  gemini,
  geminiOpenAi,
  groq,
  mistral,
  openAi,
  openAiCompatible,
  openRouter,
  simulator,
  together,
  tokenPrice,
  vercelGateway,
  weighted,
  xAi,
} from '../../plugins/index.ts';
import { field, startTestGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

/** Micro-units per million; each part has another price, so that none can stand for another. */
export const rates = {
  input: 123_457n,
  cacheRead: 12_347n,
  cacheWrite5m: 154_321n,
  cacheWrite1h: 246_913n,
  output: 765_433n,
  reasoning: 987_653n,
  toolCalls: 1_000_003n,
};

const chat = ['openai-chat'] as const;
const responses = ['openai-responses'] as const;

/** By the name of the upstream, which is that of its model as well. */
const providers: Readonly<Record<string, PluginEntry<'provider'>>> = {
  chat: openAiCompatible({ chat: [...chat] }),
  responses: openAiCompatible({ chat: [...responses] }),
  anthropic: anthropic(),
  gemini: gemini(),
  openai: openAi(),
  azure: azureOpenAi({ apiVersion: '2025-03-01-preview' }),
  xai: xAi(),
  deepseek: deepSeek(),
  mistral: mistral(),
  groq: groq(),
  together: together(),
  openrouter: openRouter(),
  vercel: vercelGateway(),
  'gemini-openai': geminiOpenAi(),
};

/** What an upstream calls its model, where its rules go by that name. */
const upstreamModels: Readonly<Record<string, string>> = {
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-3.8-flash',
  responses: 'gpt-5.2',
};

function config(url: string, aliases: Readonly<Record<string, string>>): GatewayConfig {
  const model = (name: string, upstream: string): ModelConfig => ({
    name,
    operations: ['chat'],
    contextTokens: 1_000_000,
    outputTokensMax: 131_072,
    price: { currency: 'USD', rates },
    offers: [{ upstream, model: upstreamModels[upstream] ?? upstream }],
  });
  return defineGateway({
    providers: [simulator(), ...Object.entries(providers).map(([name, provider]) => named(name, provider))],
    routing: [weighted()],
    billing: [tokenPrice()],
    policies: [],
    upstreams: Object.keys(providers).map((name) => ({
      name,
      provider: name,
      baseUrl: `${url}/v1`,
      addresses: 'any' as const,
      credential: fromEnvironment('UPSTREAM_KEY'),
    })),
    models: [
      ...Object.keys(providers).map((name) => model(name, name)),
      ...Object.entries(aliases).map(([name, upstream]) => model(name, upstream)),
      {
        ...model('embeddings', 'chat'),
        operations: ['embeddings'],
        outputTokensMax: 0,
        price: { currency: 'USD', rates: { input: rates.input } },
      },
    ],
  });
}

export interface Arrived {
  readonly path: string;
  readonly headers: Headers;
  /** As bytes came, for those who must have what the client sent. */
  readonly text: string;
  readonly body: unknown;
}

/** What an upstream answers: JSON, or a stream in pieces as they are cut on the wire. */
export type Script =
  { readonly status?: number; readonly json: unknown } | { readonly stream: readonly (string | Buffer)[] };

export interface Heard {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where it is no JSON. */
  readonly body: unknown;
  /** Data of the events of a stream, as JSON where it is. */
  readonly events: readonly unknown[];
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly key?: string;
}

export interface ScriptedGateway {
  readonly gateway: TestGateway;
  /** All that has arrived at the upstream. */
  readonly arrived: Arrived[];
  /** What every request from now on is answered. */
  answer(script: Script): void;
  /** A request by a path, with the key as Bearer unless headers have one. */
  ask(path: string, ask?: Ask): Promise<Heard>;
  /** The last that has arrived. */
  last(): Arrived;
  /** The usage record of an answer. */
  recordOf(heard: Heard): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const eventsOf = (text: string): readonly unknown[] =>
  text.split(/\r?\n/).flatMap((line) => {
    if (!line.startsWith('data:')) return [];
    const data = line.slice(5).trim();
    return [parsed(data) ?? data];
  });

/** Events without names: chat's (with its last word) and Gemini's. */
export const plainEvents = (...events: readonly unknown[]): string =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');

/** Events named by their type: Anthropic's and responses'. */
export const namedEvents = (...events: readonly object[]): string =>
  events.map((event) => `event: ${String(field(event, 'type'))}\ndata: ${JSON.stringify(event)}\n\n`).join('');

const keyHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'];

/** `aliases`: more models, by the upstream that serves them. */
export async function startScriptedGateway(aliases: Readonly<Record<string, string>> = {}): Promise<ScriptedGateway> {
  const arrived: Arrived[] = [];
  let script: Script = { status: 500, json: { error: { message: 'nothing was scripted' } } };
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const text = await request.text();
      arrived.push({ path: pathname + search, headers: request.headers, text, body: parsed(text) });
      if ('json' in script) return Response.json(script.json, { status: script.status ?? 200 });
      const pieces = script.stream;
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          for (const piece of pieces) {
            controller.enqueue(new Uint8Array(await new Blob([piece]).arrayBuffer()));
            // In packets of their own.
            await Bun.sleep(1);
          }
          controller.close();
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  const gateway = await startTestGateway({
    config: config(`http://127.0.0.1:${server.port}`, aliases),
    environment: { UPSTREAM_KEY: 'sk-of-the-house' },
  });
  return {
    gateway,
    arrived,
    answer: (next) => void (script = next),
    async ask(path, { method = 'POST', headers = {}, body, key = gateway.apiKey } = {}) {
      const given = keyHeaders.some((name) => name in headers) || /[?&]key=/.test(path);
      const answer = await fetch(`${gateway.url}${path}`, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(given ? {} : { authorization: `Bearer ${key}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      return { status: answer.status, headers: answer.headers, text, body: parsed(text), events: eventsOf(text) };
    },
    last() {
      const last = arrived.at(-1);
      if (last === undefined) throw new Error('nothing has arrived');
      return last;
    },
    async recordOf(heard) {
      return (await gateway.admin('GET', `/usage/${heard.headers.get('x-request-id') ?? 'none'}`)).body;
    },
    async stop() {
      await gateway.stop();
      await server.stop(true);
    },
  };
}
