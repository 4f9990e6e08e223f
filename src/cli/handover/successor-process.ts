// The successor as the process that goes sees it: a child that speaks in messages, each kind awaited for a time.

import { distantOwner, type DistantOwner } from './distant-owner.ts';
import { HandoverError } from './handover-error.ts';
import { readFromSuccessor, type FromPredecessor, type FromSuccessor } from './messages.ts';

type Stage = Extract<FromSuccessor, { kind: 'hello' | 'ready' | 'serving' }>;

export interface SuccessorProcess {
  readonly pid: number;
  readonly owner: DistantOwner;
  /** Throws HandoverError with what it said, or that it ended or was late. */
  says<K extends Stage['kind']>(kind: K, withinMs: number): Promise<Extract<Stage, { kind: K }>>;
  tell(message: FromPredecessor): void;
  /** Resolves when it asks for our end, or is gone. */
  readonly stops: Promise<void>;
  /** Ends it and waits until it has let go of everything. */
  end(): Promise<void>;
  /** We go; it stays. */
  letGo(): void;
}

export function startSuccessor(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): SuccessorProcess {
  const said = new Map<Stage['kind'], Stage>();
  let awaited: { readonly kind: Stage['kind']; readonly answer: PromiseWithResolvers<Stage> } | undefined;
  let failure: HandoverError | undefined;
  const stops = Promise.withResolvers<void>();
  const fail = (message: string) => {
    failure ??= new HandoverError(message);
    awaited?.answer.reject(failure);
    stops.resolve();
  };
  const heard = (value: unknown) => {
    const message = readFromSuccessor(value);
    switch (message?.kind) {
      case undefined:
        return;
      case 'hello':
      case 'ready':
      case 'serving':
        said.set(message.kind, message);
        if (awaited?.kind === message.kind) awaited.answer.resolve(message);
        return;
      case 'failed':
        return fail(message.message);
      case 'stop':
        return stops.resolve();
      case 'closed':
      case 'extended':
      case 'refused':
        return owner.answered(message);
    }
  };
  let child: Bun.Subprocess<'ignore', 'inherit', 'inherit'>;
  const tell = (message: FromPredecessor) => {
    try {
      child.send(message);
    } catch {
      fail('it does not listen any more');
      owner.lost();
    }
  };
  const owner = distantOwner(tell);
  try {
    child = Bun.spawn([...command], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...environment, TOLLGATE_HANDOVER: '1' },
      serialization: 'json',
      ipc: heard,
      onExit(_, code, signal) {
        const how = typeof signal === 'number' ? `by signal ${signal}` : `with exit code ${code ?? '?'}`;
        fail(`it ended ${how}; its own words are in the log`);
        owner.lost();
      },
    });
  } catch (error) {
    throw new HandoverError(`${command[0] ?? ''} cannot be started: ${String(error)}`);
  }
  return {
    pid: child.pid,
    owner,
    tell,
    stops: stops.promise,
    async says(kind, withinMs) {
      const answer = Promise.withResolvers<Stage>();
      awaited = { kind, answer };
      const known = said.get(kind);
      if (known !== undefined) answer.resolve(known);
      else if (failure !== undefined) answer.reject(failure);
      const late = setTimeout(
        () => answer.reject(new HandoverError(`it did not get to '${kind}' within ${withinMs / 1000} seconds`)),
        withinMs,
      );
      try {
        const stage = await answer.promise;
        if (!isStage(stage, kind)) throw new HandoverError(`it said '${stage.kind}' in place of '${kind}'`);
        return stage;
      } finally {
        clearTimeout(late);
        awaited = undefined;
      }
    },
    async end() {
      child.kill('SIGKILL');
      await child.exited;
    },
    letGo() {
      child.unref();
    },
  };
}

const isStage = <K extends Stage['kind']>(stage: Stage, kind: K): stage is Extract<Stage, { kind: K }> =>
  stage.kind === kind;
