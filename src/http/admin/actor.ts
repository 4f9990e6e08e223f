// Who asks, as the guard found it. Kept beside the request in a weak map, never in the framework's context, so
// that no header or body field can be taken for it; a route that nobody guarded has no actor and fails.

import { TollgateError } from '../../core/errors.ts';
import type { OperatorScope } from '../../domain/operators/operators.ts';

export type { OperatorScope };

export interface Actor {
  /** Id of the operator key: never the key. */
  readonly id: string;
  readonly scopes: readonly OperatorScope[];
  /** How ledger movements and the audit name it: `operator:<key id>`. */
  readonly name: `operator:${string}`;
}

const actors = new WeakMap<Request, Actor>();

export function rememberActor(request: Request, actor: Actor): void {
  actors.set(request, actor);
}

export function knownActor(request: Request): Actor | undefined {
  return actors.get(request);
}

/** The operator behind this request. Throws where the guard has not run: a route outside the shell is a defect. */
export function actorOf(request: Request): Actor {
  const actor = actors.get(request);
  if (actor === undefined) {
    throw new TollgateError('unauthenticated', {
      message: 'This request carries no operator.',
      detail: 'route outside the admin shell',
    });
  }
  return actor;
}
