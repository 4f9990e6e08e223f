import { createFetchTransport } from '../../../src/pipeline/transport/fetch-transport.ts';
import { describeTransport } from './transport-suite.ts';

describeTransport('fetch', createFetchTransport, { namesFraming: false, seesConnect: false });
