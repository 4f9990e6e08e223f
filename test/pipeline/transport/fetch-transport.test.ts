import { createFetchTransport } from '../../../src/pipeline/transport/fetch-transport.ts';
import { describeUnderPressure } from './pressure-suite.ts';
import { describeTransport } from './transport-suite.ts';

const able = { namesFraming: false, seesConnect: false };
describeTransport('fetch', createFetchTransport, able);
describeUnderPressure('fetch', createFetchTransport, able);
