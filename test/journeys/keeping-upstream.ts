// An upstream that speaks OpenAI's responses and keeps its replies, as the simulator does not: what it was asked can be
// seen, and what it answers next can be set.

import { field } from '../support/gateway.ts';

export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface KeepingUpstream {
  readonly url: string;
  readonly asked: readonly Asked[];
  readonly kept: ReadonlySet<string>;
  /** The id of the next reply; a plain one if not set. */
  nextId(id: string): void;
  /** The next request is answered so, whatever it is. */
  answerNext(answer: Response): void;
  close(): void;
}

export function startKeepingUpstream(name: string): KeepingUpstream {
  const asked: Asked[] = [];
  const kept = new Set<string>();
  let next: Response | undefined;
  let id: string | undefined;
  let made = 0;
  const create = (body: unknown): Response => {
    made += 1;
    const reply = replyOf(id ?? `resp_${name}_${made}`);
    id = undefined;
    if (field(body, 'store') !== false) kept.add(reply.id);
    return field(body, 'stream') === true ? streamed(reply) : Response.json(reply);
  };
  const about = (method: string, path: string): Response => {
    const [, written = '', suffix = ''] = /^\/v1\/responses\/([^/?]+)(\/\w+)?/.exec(path) ?? [];
    const which = decodeURIComponent(written);
    if (!kept.has(which)) return Response.json({ error: { message: 'none', type: 'x', code: null } }, { status: 404 });
    if (suffix === '/input_items') return Response.json({ object: 'list', data: [], has_more: false });
    if (method === 'DELETE') {
      kept.delete(which);
      return Response.json({ id: which, object: 'response', deleted: true });
    }
    return Response.json(suffix === '/cancel' ? { ...replyOf(which), status: 'cancelled' } : replyOf(which));
  };
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const text = await request.text();
      const body: unknown = text === '' ? undefined : JSON.parse(text);
      asked.push({ method: request.method, path: pathname + search, headers: request.headers, body });
      const set = next;
      next = undefined;
      if (set !== undefined) return set;
      return pathname === '/v1/responses' ? create(body) : about(request.method, pathname);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    asked,
    kept,
    nextId: (chosen) => (id = chosen),
    answerNext: (answer) => (next = answer),
    close: () => void server.stop(true),
  };
}

const replyOf = (id: string) => ({
  id,
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model: 'keeps-1',
  output: [
    {
      type: 'message',
      id: 'msg_1',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hello', annotations: [] }],
    },
  ],
  usage: {
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 6,
  },
});

function streamed(reply: ReturnType<typeof replyOf>): Response {
  const item = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  const events = [
    { type: 'response.created', response: { ...reply, status: 'in_progress', output: [], usage: null } },
    { type: 'response.output_text.delta', ...item, delta: 'Hello' },
    { type: 'response.completed', response: reply },
  ];
  const text = events.map((event, at) => {
    const data = JSON.stringify({ ...event, sequence_number: at });
    return `event: ${event.type}\ndata: ${data}\n\n`;
  });
  return new Response(text.join(''), { headers: { 'content-type': 'text/event-stream' } });
}
