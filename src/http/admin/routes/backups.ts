// Backups over the admin API: the archive itself is the reply. It holds everything but the keys of the data folder, and
// that somebody asked for it is in the audit.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { BackupsService } from '../../../domain/backups/backups-service.ts';
import { dataHeaders } from '../../problem.ts';
import { actorOf } from '../actor.ts';
import { strict } from '../schemas.ts';

export interface BackupRouteServices {
  readonly backups: Pick<BackupsService, 'create'>;
  /** Nothing may come on its connection for as long as the files are copied. */
  readonly mayBeQuiet: (request: Request) => void;
}

export const archiveType = 'application/x-tar';

export function backupsRoutes({ backups, mayBeQuiet }: BackupRouteServices) {
  return new Elysia({ name: 'admin-backups', normalize: false }).post(
    '/backups',
    async ({ request }) => {
      mayBeQuiet(request);
      const { takenAt, archive } = await backups.create(actorOf(request).name);
      const name = `tollgate-${takenAt.replace(/[-:]|\.\d+/g, '')}.tar`;
      return new Response(archive, {
        headers: {
          ...dataHeaders,
          'content-type': archiveType,
          'content-disposition': `attachment; filename="${name}"`,
        },
      });
    },
    {
      // There is nothing to say; what somebody says all the same is refused, not passed over.
      body: Type.Optional(Type.Union([strict({}), Type.Null()])),
      query: strict({}),
      detail: {
        tags: ['Backups'],
        // Repeating it gives another backup, and does no harm: a reply of that size is not kept to be given again.
        'x-idempotency': 'own',
        operationId: 'createBackup',
        summary: 'Back up everything while the gateway serves',
        description:
          'The reply is an archive for `tollgate restore`: the ledger and all else as it stood together at one moment, ' +
          'without the operator key and the master key. One at a time. `tollgate backup` asks for it and adds the keys.',
        responses: {
          200: {
            description: 'The archive',
            content: { [archiveType]: { schema: { type: 'string', format: 'binary' } } },
          },
        },
      },
    },
  );
}
