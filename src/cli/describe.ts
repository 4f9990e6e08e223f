// `tollgate openapi`: builds the faces over nothing that is kept, asks them to describe themselves, and hands the
// documents to the command. The same documents are committed under `openapi/` and compared by a test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { createLog } from '../core/log.ts';
import { createGateway } from '../gateway.ts';
import { documentText, generateDocuments } from '../http/openapi/documents.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { openapiCommand } from './openapi.ts';
import { resolvedOrRefused } from './read-config.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';
import { version } from './version.ts';

export async function describeCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const output = {
    out: (line: string) => context.print(`${line}\n`),
    error: (line: string) => context.printError(`${line}\n`),
  };
  return openapiCommand(argv, await openApiTexts(context.builtIn, context), output);
}

/** File name to the file's whole text. */
export async function openApiTexts(
  config: GatewayConfig,
  context: Pick<CommandContext, 'environment' | 'modules'>,
): Promise<Readonly<Record<string, string>>> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-openapi-'));
  const gateway = await createGateway({
    resolved: await resolvedOrRefused(placeNowhere(config), { preset: undefined }, context),
    dataFolder,
    version,
    operatorKeys: { find: () => undefined },
    publicUrl: () => '',
    trustedProxies: [],
    clock: systemClock,
    chance: Math.random,
    log: createLog(
      systemClock,
      () => {},
      (text) => text,
    ),
    peerOf: () => 'unknown',
    connections: { mayBeQuiet: () => {}, replyEnds: () => {} },
  });
  try {
    const apps = await gateway.describedApps();
    const documents = await generateDocuments(apps, version);
    return Object.fromEntries(Object.entries(documents).map(([file, document]) => [file, documentText(document)]));
  } finally {
    await gateway.close();
    rmSync(dataFolder, { recursive: true, force: true });
  }
}
