// The made-up vendor of plugins/README.md as a server on loopback: a key header of its own, usage in words, errors of
// another form, bodies of OpenAI's chat otherwise. Two regions stand under two paths.

export interface AcmeVendor {
  /** Base URL of a region. */
  url(region: 'east' | 'west'): string;
  readonly calls: readonly Call[];
  /** Calls whose text is "wait" are answered when this is called. */
  letGo(): void;
  stop(): void;
}

interface Call {
  readonly region: string;
  readonly query: string;
  readonly key: string;
  readonly body: Body;
}

interface Body {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly content: string }[];
  readonly stream_options?: unknown;
}

export const acmeKey = 'acme-secret-4711';
/** Of calls whose text is "much", and of all others. */
export const muchWords = { words_in: 20_000, words_reused: 5_000, words_out: 1_000 };
export const fewWords = { words_in: 9, words_reused: 4, words_out: 5 };

const fault = (status: number, why: string): Response => Response.json({ fault: { why } }, { status });

export function startAcmeVendor(): AcmeVendor {
  const calls: Call[] = [];
  let waiting = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const key = request.headers.get('x-acme-key');
      if (key !== acmeKey) return fault(401, 'who are you');
      const region = /^\/(east|west)\/v1\/talk$/.exec(pathname)?.[1];
      if (region === undefined) return fault(404, 'no such place');
      const body = (await request.json()) as Body;
      calls.push({ region, query: search, key, body });
      const text = body.messages.at(-1)?.content ?? '';
      if (text === 'wait') await waiting.promise;
      if (text === 'rude') return fault(400, 'we do not talk like that');
      const usage = text.startsWith('much') ? muchWords : fewWords;
      return body.stream === true ? streamed(body.model, usage) : whole(body.model, usage);
    },
  });
  return {
    url: (region) => `http://127.0.0.1:${server.port}/${region}/v1`,
    calls,
    letGo() {
      waiting.resolve();
      waiting = Promise.withResolvers();
    },
    stop: () => void server.stop(true),
  };
}

const envelope = (model: string, object: string) => ({ id: 'talk-1', object, created: 1_764_000_000, model });

const whole = (model: string, usage: object): Response =>
  Response.json({
    ...envelope(model, 'chat.completion'),
    choices: [{ index: 0, message: { role: 'assistant', content: 'Well said.' }, finish_reason: 'stop' }],
    usage,
  });

function streamed(model: string, usage: object): Response {
  const head = envelope(model, 'chat.completion.chunk');
  const events = [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: 'Well ' }, finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: { content: 'said.' }, finish_reason: null }] },
    { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { ...head, choices: [], usage },
  ];
  const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
  return new Response(`${text}data: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } });
}
