// All that is told of a request's end, as one. What fails there is logged and costs no request anything: it was settled
// before, and its reply depends on nobody who watches.

import type { RequestWatch } from './services.ts';

export function watchTogether(watches: readonly RequestWatch[], onDefect: (error: unknown) => void): RequestWatch {
  return {
    settled(closing, durationMs, request) {
      try {
        for (let index = 0; index < watches.length; index += 1) watches[index]?.settled(closing, durationMs, request);
      } catch (error) {
        onDefect(error);
      }
    },
    refused(refused) {
      try {
        for (const watch of watches) watch.refused(refused);
      } catch (error) {
        onDefect(error);
      }
    },
  };
}
