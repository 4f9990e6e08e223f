// GET /v1/models: the models that this key may use, and no hint of any other. Shares the first steps of the pipeline.

import { TollgateError } from '../core/errors.ts';
import type { Model } from '../domain/catalog/catalog.ts';
import { protocolOf } from '../protocols/protocols.ts';
import { mayUse } from './admit.ts';
import { authenticate } from './authenticate.ts';
import { receive } from './receive.ts';
import type { PipelineServices } from './services.ts';

export interface ModelList {
  list(request: Request, peer: string): Response;
  one(request: Request, peer: string, name: string): Response;
}

export function createModelList(services: PipelineServices): ModelList {
  const visible = (request: Request, peer: string) => {
    const { group, apiKey } = authenticate(services, receive(services, request, protocolOf('openai-chat'), peer));
    return (model: Model) =>
      mayUse(model, group?.name, apiKey.models) &&
      services.catalog.priceAt(model.name, services.clock.now()) !== undefined;
  };
  return {
    list(request, peer) {
      const data = services.catalog.models().filter(visible(request, peer)).map(rendered);
      return Response.json({ object: 'list', data });
    },
    one(request, peer, name) {
      const isVisible = visible(request, peer);
      const model = services.catalog.model(name);
      if (model === undefined || !isVisible(model)) {
        throw new TollgateError('model_not_found', {
          message: 'model: no such model here, or not for this API key.',
          field: 'model',
        });
      }
      return Response.json(rendered(model));
    },
  };
}

const rendered = (model: Model) => ({
  id: model.name,
  object: 'model',
  created: Math.floor(model.createdAt / 1000),
  owned_by: 'tollgate',
  context_length: model.contextTokens,
  max_output_tokens: model.outputTokensMax,
  operations: model.operations,
});
