// A collector of OTLP over HTTP that takes all it is sent, for the bench: reads each body to its end and counts. Prints
// its port; GET /stats tells what came.

const stats = { bodies: 0, bytes: 0 };
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    if (request.method === 'GET') return Response.json(stats);
    stats.bytes += (await request.arrayBuffer()).byteLength;
    stats.bodies += 1;
    return new Response(null, { status: 200 });
  },
});
console.log(`port ${server.port}`);
