// An upstream that lives on when the gateway dies, as a vendor's does. It speaks OpenAI's chat protocol and reports
// usage that the driver can foretell. What a call is to get stands in its message: `give 5 gap 3`, `refuse`, `cut`.

export interface KillUpstream {
  readonly url: string;
  close(): void;
}

const inputTokensOf = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4);

function usageJson(input: number, output: number): string {
  return `{"prompt_tokens":${input},"completion_tokens":${output},"total_tokens":${input + output}}`;
}

const event = (choices: string, usage: string): string =>
  `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":${choices},"usage":${usage}}\n\n`;

async function* streamed(output: number, gapMs: number, cut: boolean, usage: string): AsyncGenerator<string> {
  for (let at = 0; at < output; at++) {
    yield event(`[{"index":0,"delta":{"content":" tok${at}"},"finish_reason":null}]`, 'null');
    if (cut && at === 1) return;
    await Bun.sleep(gapMs);
  }
  yield event('[{"index":0,"delta":{},"finish_reason":"stop"}]', 'null');
  yield event('[]', usage);
  yield 'data: [DONE]\n\n';
}

function textOf(body: unknown): { readonly text: string; readonly stream: boolean } {
  const stream = typeof body === 'object' && body !== null && 'stream' in body && body.stream === true;
  const text = /"content":"((?:give|refuse|cut)[^"]*)"/.exec(JSON.stringify(body))?.[1] ?? '';
  return { text, stream };
}

async function answer(request: Request): Promise<Response> {
  const { text, stream } = textOf(await request.json());
  if (text.startsWith('refuse')) {
    return Response.json({ error: { message: 'no such thing', type: 'invalid_request_error' } }, { status: 400 });
  }
  const [, count = '1', gap = '0'] = /(?:give|cut) (\d+) gap (\d+)/.exec(text) ?? [];
  const output = Number(count);
  const usage = usageJson(inputTokensOf(text), output);
  if (stream) {
    const events = streamed(output, Number(gap), text.startsWith('cut'), usage);
    return new Response(events, { headers: { 'content-type': 'text/event-stream' } });
  }
  await Bun.sleep(Number(gap));
  const content = Array.from({ length: output }, (_, at) => ` tok${at}`).join('');
  return new Response(
    `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":` +
    `{"role":"assistant","content":"${content}"},"finish_reason":"stop"}],"usage":${usage}}`,
    { headers: { 'content-type': 'application/json' } },
  );
}

export function startKillUpstream(): KillUpstream {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer });
  return { url: `http://127.0.0.1:${server.port}/v1`, close: () => void server.stop(true) };
}
