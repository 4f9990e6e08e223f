// GET /v1/models: the models that this key may use, and no hint of any other, in the form of the protocol whose client
// asks. Shares the first steps of the pipeline.

import { TollgateError } from '../core/errors.ts';
import type { Model } from '../domain/catalog/catalog.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { mayUse } from './admit.ts';
import { authenticate } from './authenticate.ts';
import { receive } from './receive.ts';
import type { PipelineServices } from './services.ts';

export interface ModelList {
  list(request: Request, protocol: Protocol, peer: string): Response;
  one(request: Request, protocol: Protocol, peer: string, name: string): Response;
}

export function createModelList(services: PipelineServices): ModelList {
  const visible = (request: Request, protocol: Protocol, peer: string) => {
    const { group, apiKey } = authenticate(services, receive(services, request, protocol, peer));
    return (model: Model) =>
      mayUse(model, group?.name, apiKey.models) &&
      services.catalog.priceAt(model.name, services.clock.now()) !== undefined;
  };
  return {
    list(request, protocol, peer) {
      const models = services.catalog.models().filter(visible(request, protocol, peer));
      return Response.json(renderedList(protocol, models, new URL(request.url).searchParams));
    },
    one(request, protocol, peer, name) {
      const isVisible = visible(request, protocol, peer);
      const model = services.catalog.model(name);
      if (model === undefined || !isVisible(model)) {
        throw new TollgateError('model_not_found', {
          message: 'model: no such model here, or not for this API key.',
          field: 'model',
        });
      }
      return Response.json(rendered(protocol, model));
    },
  };
}

function renderedList(protocol: Protocol, models: readonly Model[], query: URLSearchParams): unknown {
  switch (protocol.name) {
    case 'anthropic-messages': {
      const { page, more } = pageOf(models, query.get('limit'), query.get('after_id'), query.get('before_id'));
      return {
        data: page.map((model) => rendered(protocol, model)),
        has_more: more,
        first_id: page[0]?.name ?? null,
        last_id: page.at(-1)?.name ?? null,
      };
    }
    case 'gemini-generate': {
      const { page, more } = pageOf(models, query.get('pageSize'), query.get('pageToken'));
      return {
        models: page.map((model) => rendered(protocol, model)),
        ...(more ? { nextPageToken: page.at(-1)?.name } : {}),
      };
    }
    case 'openai-chat':
    case 'openai-responses':
    case 'openai-completions':
    case 'openai-embeddings':
      return { object: 'list', data: models.map((model) => rendered(protocol, model)) };
  }
}

/**
 * So many models behind the one that is named, or right before it. All of them where the client states no size. The
 * list is in the order of names, so that a walk goes on behind a model that was taken out meanwhile.
 */
function pageOf(
  models: readonly Model[],
  size: string | null,
  after: string | null,
  before: string | null = null,
): { readonly page: readonly Model[]; readonly more: boolean } {
  const limit = size !== null && /^[1-9]\d{0,3}$/.test(size) ? Number(size) : models.length;
  if (before !== null && before !== '') {
    const earlier = models.filter(({ name }) => name < before);
    return { page: earlier.slice(-limit), more: earlier.length > limit };
  }
  const later = after === null || after === '' ? models : models.filter(({ name }) => name > after);
  return { page: later.slice(0, limit), more: later.length > limit };
}

function rendered({ name: protocol }: Protocol, model: Model): unknown {
  switch (protocol) {
    case 'anthropic-messages':
      return {
        type: 'model',
        id: model.name,
        display_name: model.name,
        created_at: new Date(model.createdAt).toISOString(),
        lifecycle: 'active',
        deprecated_at: null,
        retires_at: null,
        line: null,
        capabilities: null,
        max_input_tokens: model.contextTokens,
        max_tokens: model.outputTokensMax,
      };
    case 'gemini-generate':
      return {
        name: `models/${model.name}`,
        baseModelId: model.name,
        version: '1',
        displayName: model.name,
        inputTokenLimit: model.contextTokens,
        outputTokenLimit: model.outputTokensMax,
        supportedGenerationMethods: model.operations.includes('chat') ? ['generateContent', 'countTokens'] : [],
      };
    case 'openai-chat':
    case 'openai-responses':
    case 'openai-completions':
    case 'openai-embeddings':
      return {
        id: model.name,
        object: 'model',
        created: Math.floor(model.createdAt / 1000),
        owned_by: 'tollgate',
        context_length: model.contextTokens,
        max_output_tokens: model.outputTokensMax,
        operations: model.operations,
      };
  }
}
