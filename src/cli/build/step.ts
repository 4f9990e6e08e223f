// The parts of a build that run in a process of their own, so that the one in front can be interrupted at any moment
// and always tidies up: fetching a runtime holds the thread, and a config's code may do anything. Request and result
// are files, because what runs here may print.

import { readFileSync, writeFileSync } from 'node:fs';
import { readConfig } from '../read-config.ts';
import type { CommandContext } from '../serve.ts';
import { placeNowhere } from '../simulator-place.ts';
import { compile, type CompileRequest, type CompileResult } from './compile.ts';
import { checkTypes, writeTsconfigs } from './check-types.ts';

export type StepRequest =
  | ({ readonly step: 'compile'; readonly checkTypes: boolean } & Omit<CompileRequest, 'tsconfig'>)
  /** Asked of the executable that was built: what is wrong with its config whatever the environment holds. */
  | { readonly step: 'try-config' };

export interface TriedConfig {
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

export interface StepResults {
  readonly compile: CompileResult;
  readonly 'try-config': TriedConfig;
}

export const resultFileOf = (requestFile: string): string => `${requestFile}.result`;

/** Stands for each variable that is not in the environment: it will do as a secret and as an address. */
const STAND_IN = 'http://127.0.0.1:9/';

export async function runStep(requestFile: string, context: CommandContext): Promise<number> {
  const request: StepRequest = JSON.parse(readFileSync(requestFile, 'utf8'));
  const result = request.step === 'compile' ? await compileStep(request) : await tryConfig(context);
  writeFileSync(resultFileOf(requestFile), JSON.stringify(result));
  return 0;
}

async function compileStep(request: Extract<StepRequest, { step: 'compile' }>): Promise<CompileResult> {
  const { root, configFile } = request;
  const tsconfigs = writeTsconfigs(root, configFile);
  const findings =
    request.checkTypes && configFile !== undefined ? await checkTypes(root, configFile, tsconfigs.types) : [];
  return findings.length > 0 ? { ok: false, findings } : compile({ ...request, tsconfig: tsconfigs.bundle });
}

async function tryConfig(context: CommandContext): Promise<TriedConfig> {
  const { environment } = context;
  const secret = (name: string) => environment.secret(name) ?? STAND_IN;
  const which = { configFile: undefined, preset: environment.preset };
  const result = await readConfig(which, { ...context, environment: { ...environment, secret } }, placeNowhere);
  return { problems: result.ok ? [] : result.problems };
}
