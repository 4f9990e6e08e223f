// The admin shell with the routes of accounts, users, groups and API keys on a database in memory.

import { sha256Hex, generateKey, systemRandomBytes } from '../../../src/core/secrets.ts';
import { newId } from '../../../src/core/ids.ts';
import { createLog } from '../../../src/core/log.ts';
import { noLines } from '../../../src/config/config-lines.ts';
import { adminApp } from '../../../src/http/admin/shell.ts';
import { memoryIdempotencyStore } from '../../../src/http/admin/idempotency.ts';
import { accountsRoutes } from '../../../src/http/admin/routes/accounts.ts';
import { apiKeysRoutes } from '../../../src/http/admin/routes/api-keys.ts';
import { groupsRoutes } from '../../../src/http/admin/routes/groups.ts';
import { usersRoutes } from '../../../src/http/admin/routes/users.ts';
import type { GroupConfig } from '../../../src/plugin/gateway.ts';
import { accountsRig } from '../../fakes/accounts.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The body's member of that name; undefined if there is none. */
  get(name: string): unknown;
}

export async function accountsApp(options: { readonly configGroups?: readonly GroupConfig[] } = {}) {
  const rig = await accountsRig(options);
  const operatorKey = generateKey('operator-key', systemRandomBytes);
  const operatorId = newId('opk');
  const log: string[] = [];
  const clock = { now: () => rig.time.now, monotonicMs: () => rig.time.now };
  const app = adminApp({
    routes: [
      accountsRoutes(rig),
      usersRoutes(rig),
      groupsRoutes({ ...rig, lines: async () => noLines }),
      apiKeysRoutes(rig),
    ],
    services: {
      operatorKeys: {
        find: (sha256) => (sha256 === sha256Hex(operatorKey) ? { id: operatorId, scopes: ['admin'] } : undefined),
      },
      clock,
      addressOf: () => '192.0.2.1',
      newId,
      log: createLog(
        clock,
        (line) => void log.push(line),
        (text) => text,
      ),
      idempotency: memoryIdempotencyStore(clock),
    },
  });

  /** A string is sent as it is, anything else as JSON. */
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await app.handle(
      new Request(`http://localhost/admin/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${operatorKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return {
      status: response.status,
      text,
      get: (name) => {
        const value: unknown = JSON.parse(text);
        return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
      },
    };
  };
  return { ...rig, app, call, operatorKey, operatorActor: `operator:${operatorId}`, log };
}

export const idOf = (answer: Answer): string => String(answer.get('id'));
