// Answers a scrape: one page at a time for all who ask meanwhile, so that asking often costs requests no more. Loaded
// when it is first asked for.

import { newId } from '../../core/ids.ts';
import { TollgateError } from '../../core/errors.ts';
import { createGuard, type GuardServices } from '../admin/guard.ts';
import { dataHeaders, problemResponse } from '../problem.ts';
import { exposedType } from './exposition.ts';
import { gather, type MetricsSources } from './gather.ts';
import { watchProcess } from './process-figures.ts';

export interface MetricsFace {
  (request: Request): Promise<Response>;
}

export function createMetricsFace(sources: Omit<MetricsSources, 'process'>, services: GuardServices): MetricsFace {
  const guard = createGuard(services);
  const watch = watchProcess(services.clock);
  const complete: MetricsSources = { ...sources, process: watch.read };
  let gathering: Promise<string> | undefined;
  const page = (): Promise<string> =>
    (gathering ??= gather(complete).finally(() => {
      gathering = undefined;
    }));
  return async (request) => {
    try {
      guard(request, 'metrics');
    } catch (error) {
      if (error instanceof TollgateError) return problemResponse(error.code, error.details, newId('req'));
      throw error;
    }
    return new Response(await page(), { headers: { ...dataHeaders, 'content-type': exposedType } });
  };
}
