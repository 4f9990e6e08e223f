// The audit as operators read it: who changed what. Read-only, as the chain itself is.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { AuditEvent } from '../../../domain/audit/audit.ts';
import type { AuditReader } from '../../../domain/audit/audit-store.ts';
import { decodeCursor, pageLimit, pageOf, pageQuery, pageSchema } from '../pages.ts';
import { invalid, strict, textOf } from '../schemas.ts';

export interface AuditRouteServices {
  readonly audit: AuditReader;
}

const auditEventView = strict(
  {
    seq: Type.String({ description: 'Place in the chain, from 1 without gaps, as a decimal string.' }),
    at: Type.String({ description: 'Time in UTC, ISO 8601.' }),
    actor: Type.String({ description: '`operator:<key id>`, `user:<id>` or `system`.' }),
    action: Type.String({ description: 'Noun and verb: `account.update`.' }),
    target: Type.String({ description: 'The noun and its identifier: `account/acc_...`.' }),
    change: Type.String({ description: 'What was asked for, as JSON, without secrets and personal data.' }),
    prevHash: Type.String({ description: 'Hash of the event before.' }),
    hash: Type.String({ description: 'Over all members and the hash before.' }),
  },
  { title: 'AuditEvent', description: 'One event of the audit chain.' },
);

const listQuery = strict({
  ...pageQuery,
  target: Type.Optional(
    Type.String({ minLength: 1, maxLength: 300, description: 'Only events of this noun and identifier.' }),
  ),
});

const shown = (event: AuditEvent): Static<typeof auditEventView> => ({
  seq: event.seq.toString(),
  at: textOf(event.at),
  actor: event.actor,
  action: event.action,
  target: event.target,
  change: event.change,
  prevHash: event.prevHash,
  hash: event.hash,
});

export function auditRoutes({ audit }: AuditRouteServices) {
  return new Elysia({ name: 'admin-audit-events', normalize: false }).get(
    '/audit-events',
    async ({ query }) => {
      const limit = pageLimit(query);
      const before = query.cursor === undefined ? undefined : seqOf(query.cursor);
      const events = await audit.list({ limit: limit + 1, before, target: query.target });
      return pageOf(events, limit, (event) => event.seq.toString(), shown);
    },
    {
      query: listQuery,
      response: { 200: pageSchema(auditEventView) },
      detail: {
        tags: ['Audit'],
        operationId: 'listAuditEvents',
        summary: 'Audit events, newest first',
        description: 'Each carries the hash of the one before. Keep a hash elsewhere to see a chain that was cut off.',
      },
    },
  );
}

function seqOf(cursor: string): bigint {
  const text = decodeCursor(cursor);
  if (!/^[1-9]\d{0,17}$/.test(text)) throw invalid('cursor', 'not a cursor of this list; send `nextCursor` unchanged');
  return BigInt(text);
}
