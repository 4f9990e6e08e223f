// The test of an upstream: who may administer may see whether it answers. The body names a model at most; where the
// request goes and with which credential is what is stored, so that a test shows the one to nobody else.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { bounds } from '../../../core/bounds.ts';
import { trialVerdicts, type TrialVerdict, type UpstreamTrials } from '../../../pipeline/upstream-trial.ts';
import { actorOf } from '../actor.ts';
import { strict } from '../schemas.ts';
import { orNull } from './account-fields.ts';
import { upstreamNameParameter } from './catalog-fields.ts';

export interface UpstreamTrialServices {
  readonly trials: UpstreamTrials;
}

const trialInput = strict({
  model: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: bounds.modelNameLength,
      description: 'Public name of a model with an offer on the upstream. If left out: its first.',
    }),
  ),
});

const trialView = strict(
  {
    verdict: Type.Unsafe<TrialVerdict>(
      Type.Union(
        trialVerdicts.map((verdict) => Type.Literal(verdict)),
        {
          description:
            '`works`: it answered. `request`, `credential`, `rate-limit`, `unavailable`, `model`: how its provider ' +
            'reads the refusal. `redirected`: it points elsewhere; nothing follows. `not-an-answer`: a success that ' +
            'holds none. `timeout`, `tls`. `unreachable`: no reply, or an address that must not be called; see the log.',
        },
      ),
    ),
    model: Type.String({ description: "The upstream's own name of the model that was asked." }),
    operation: Type.String(),
    httpStatus: orNull(Type.Integer()),
    durationMs: Type.Integer({ description: 'Milliseconds from sending to the end of the reply.' }),
    excerpt: orNull(Type.String({ description: 'Head of the reply, at most 500 characters, without credentials.' })),
  },
  { title: 'UpstreamTest', description: 'What an upstream made of one tiny request.' },
);

export function upstreamTrialRoutes({ trials }: UpstreamTrialServices) {
  return new Elysia({ name: 'admin-upstream-trials', normalize: false }).post(
    '/upstreams/:name/test',
    async ({ params: { name }, body, request }) => {
      const result = await trials.run(actorOf(request).name, { upstream: name, model: body.model });
      return { ...result, httpStatus: result.httpStatus ?? null, excerpt: result.excerpt ?? null };
    },
    {
      params: strict({ name: upstreamNameParameter }),
      body: trialInput,
      response: { 200: trialView },
      detail: {
        tags: ['Upstreams'],
        operationId: 'testUpstream',
        summary: 'Test an upstream',
        description:
          'Sends one tiny request with the stored address and credential, also while the upstream is disabled. No ' +
          'account is charged; the vendor may charge you for some tokens. Takes 20 seconds at most. Audited; one at ' +
          'a time, 6 a minute.',
      },
    },
  );
}
