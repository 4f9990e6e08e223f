// Sends one request to a loopback port and prints how it ended: run by egress.test.ts with proxies in the
// environment.

import { createFetchTransport } from '../../src/pipeline/transport/fetch-transport.ts';
import { createHttp1Transport } from '../../src/pipeline/transport/http1-transport.ts';
import { RecordingSink } from '../pipeline/transport/fake-upstream.ts';
import { requestTo } from '../pipeline/transport/transport-bench.ts';

const [name, port] = process.argv.slice(2);
const transport = name === 'fetch' ? createFetchTransport() : createHttp1Transport();
const sink = new RecordingSink();
transport.send(requestTo(Number(port)), sink);
const outcome = await sink.outcome;
process.stdout.write(outcome.kind === 'end' ? 'end' : outcome.fault.detail);
transport.close();
