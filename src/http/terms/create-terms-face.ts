// The terms face over the services of the gateway: whose key came with a request is asked of the pipeline's own steps.

import type { IdSource } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { ControlRegistry } from '../../domain/terms/clause-matrix.ts';
import type { Terms } from '../../domain/terms/terms-service.ts';
import { authenticate } from '../../pipeline/authenticate.ts';
import { receive } from '../../pipeline/receive.ts';
import type { PipelineServices } from '../../pipeline/services.ts';
import { protocolOf } from '../../protocols/protocols.ts';
import { termsApp } from './terms-app.ts';

export interface TermsFaceParts {
  readonly services: PipelineServices;
  readonly terms: Terms;
  readonly controls: ControlRegistry;
  readonly newId: IdSource;
  readonly log: Log;
  readonly addressOf: (request: Request) => string;
  readonly peerOf: (request: Request) => string;
}

export function createTermsFace({ services, terms, controls, newId, log, addressOf, peerOf }: TermsFaceParts) {
  const app = termsApp({
    terms,
    controls,
    newId,
    log,
    clock: services.clock,
    authenticate: (request) =>
      authenticate(services, receive(services, request, protocolOf('openai-chat'), peerOf(request))),
    originOf: (request) => {
      const address = addressOf(request);
      return { address, country: services.compliance.countryOf(address, peerOf(request), request.headers) };
    },
    absolute: (path) => services.absolute(path),
  });
  return { app, face: (request: Request) => app.handle(request) };
}
