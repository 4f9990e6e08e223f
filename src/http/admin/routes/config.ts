// The config that is in force: where it came from, what it lacks, and reading it again. It is edited in its file alone.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { TollgateError } from '../../../core/errors.ts';
import { ConfigProblemsError, type ConfigProblem } from '../../../config/resolve.ts';
import type { ConfigChange } from '../../../domain/applied-config/config-changes.ts';
import type { ConfigDesk, ConfigState } from '../../../domain/applied-config/config-desk.ts';
import { actorOf } from '../actor.ts';
import { strict, textOf } from '../schemas.ts';
import { orNull } from './account-fields.ts';

export interface ConfigRouteServices {
  readonly config: ConfigDesk;
}

const problemView = strict(
  {
    path: Type.String({ examples: ['models[2].price.rates.input'] }),
    message: Type.String(),
    declaredAt: orNull(Type.String({ description: 'File and line.', examples: ['gateway.config.ts:61'] })),
  },
  { title: 'ConfigProblem' },
);

const changeView = strict(
  {
    noun: Type.String({ examples: ['model'] }),
    name: Type.String({ examples: ['sim/echo'] }),
    change: Type.Union([Type.Literal('added'), Type.Literal('removed'), Type.Literal('changed')]),
    field: orNull(Type.String({ description: 'Null where the whole was added or removed.' })),
    from: orNull(Type.String()),
    to: orNull(Type.String()),
  },
  { title: 'ConfigChange', description: 'What one config says other than the one before. No secret is ever in it.' },
);

const stateView = strict(
  {
    source: Type.Union([Type.Literal('file'), Type.Literal('compiled-in')]),
    file: orNull(Type.String({ description: 'The file as it lies on the machine; null where it was compiled in.' })),
    files: Type.Array(
      strict({ path: Type.String({ description: "Relative to the config's folder." }), sha256: Type.String() }),
      { description: 'The file and all that it imports by path, itself first.' },
    ),
    sha256: Type.String({ description: 'Of all that the config says: the same config has the same hash.' }),
    generation: Type.Integer({ description: 'Grows by one with each config that is applied, over restarts.' }),
    appliedAt: Type.String({ description: 'Time in UTC, ISO 8601.' }),
    preset: orNull(Type.String()),
    remarks: Type.Array(problemView, { description: 'Not wrong: upstreams left out for want of a credential.' }),
    lastFailure: orNull(strict({ at: Type.String(), actor: Type.String(), problems: Type.Array(problemView) })),
  },
  { title: 'Config', description: 'The config in force.' },
);

const shownProblem = ({ path, message, declaredAt }: ConfigProblem): Static<typeof problemView> => ({
  path,
  message,
  declaredAt: declaredAt ?? null,
});

const shownChange = (change: ConfigChange): Static<typeof changeView> => ({
  noun: change.noun,
  name: change.name,
  change: change.change,
  field: change.change === 'changed' ? change.field : null,
  from: change.change === 'changed' ? (change.from ?? null) : null,
  to: change.change === 'changed' ? (change.to ?? null) : null,
});

const shown = ({ origin, lastFailure, ...state }: ConfigState): Static<typeof stateView> => ({
  source: origin.kind,
  file: origin.kind === 'file' ? origin.file : null,
  files: origin.kind === 'file' ? origin.files.map(({ path, sha256 }) => ({ path, sha256 })) : [],
  sha256: state.sha256,
  generation: state.generation,
  appliedAt: textOf(state.appliedAt),
  preset: state.preset ?? null,
  remarks: state.remarks.map(shownProblem),
  lastFailure:
    lastFailure === undefined
      ? null
      : {
          at: textOf(lastFailure.at),
          actor: lastFailure.actor,
          problems: lastFailure.problems.map(shownProblem),
        },
});

const tags = ['Config'];

export function configRoutes({ config }: ConfigRouteServices) {
  return new Elysia({ name: 'admin-config', normalize: false })
    .get('/config', () => shown(config.state()), {
      query: strict({}),
      response: { 200: stateView },
      detail: {
        tags,
        operationId: 'getConfig',
        summary: 'The config in force',
        description: 'Where it came from, when it was applied, and why the last reload failed if it did.',
      },
    })
    .post(
      '/config/reload',
      async ({ request }) => {
        const { changes, state } = await config.reload(actorOf(request).name).catch(refused);
        return { changes: changes.map(shownChange), config: shown(state) };
      },
      {
        body: Type.Optional(Type.Union([strict({}), Type.Null()])),
        query: strict({}),
        response: { 200: strict({ changes: Type.Array(changeView), config: stateView }, { title: 'ConfigReload' }) },
        detail: {
          tags,
          operationId: 'reloadConfig',
          summary: 'Read the config again',
          description:
            'All or nothing: a config that is wrong is refused with 422 and `problems`, and changes nothing. Requests ' +
            'under way keep what they were admitted with. A config that was compiled in is as it was; the drop-ins ' +
            'beside it are read again.',
        },
      },
    );
}

function refused(error: unknown): never {
  if (!(error instanceof ConfigProblemsError)) throw error;
  const count = error.problems.length;
  throw new TollgateError('config_refused', {
    message: `The config has ${count} problem${count === 1 ? '' : 's'}; nothing was changed. Put them right and reload.`,
    problems: error.problems,
  });
}
