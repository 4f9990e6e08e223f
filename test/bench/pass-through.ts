// The yardstick: Bun.serve and fetch with nothing between them. UPSTREAM names the mock. Its parent lifts Bun's cap on
// parallel fetches, which a program cannot do for itself once it runs.

const upstream = process.env['UPSTREAM'] ?? '';

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env['PORT']),
  idleTimeout: 0,
  async fetch(request) {
    const path = request.url.slice(request.url.indexOf('/', 8));
    const reply = await fetch(upstream + path, {
      method: request.method,
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk-upstream' },
      ...(request.method === 'POST' ? { body: await request.arrayBuffer() } : {}),
      decompress: false,
    });
    const type = reply.headers.get('content-type') ?? 'application/json';
    return new Response(reply.body, { status: reply.status, headers: { 'content-type': type } });
  },
});
