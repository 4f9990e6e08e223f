// `tollgate openapi`: prints, writes or checks the OpenAPI documents of this build. The documents are handed
// in, so that this file knows nothing of the faces that they describe.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

export interface OpenApiCommandOutput {
  readonly out: (line: string) => void;
  readonly error: (line: string) => void;
}

const usage = `tollgate openapi [NAME]             prints one document: admin (the default), client or terms
tollgate openapi --write FOLDER     writes all of them into FOLDER
tollgate openapi --check FOLDER     exits with 1 if a file in FOLDER differs from what this build has`;

const consoleOutput: OpenApiCommandOutput = { out: (line) => console.log(line), error: (line) => console.error(line) };

/** `documents`: file name (`admin.json`) to the file's whole text. Returns the exit code. */
export async function openapiCommand(
  argv: readonly string[],
  documents: Readonly<Record<string, string>>,
  output: OpenApiCommandOutput = consoleOutput,
): Promise<number> {
  const [first, second, ...rest] = argv;
  if (first === '--help' || first === '-h') {
    output.out(usage);
    return 0;
  }
  if (rest.length > 0) return misused(`too many words: ${rest.join(' ')}`, output);
  if (first === '--write' || first === '--check') {
    if (second === undefined) return misused(`${first} needs a folder`, output);
    return first === '--write' ? write(second, documents, output) : check(second, documents, output);
  }
  if (second !== undefined || first?.startsWith('-')) return misused(`not understood: ${argv.join(' ')}`, output);
  const name = `${first ?? 'admin'}.json`;
  const text = documents[name];
  if (text === undefined)
    return misused(`there is no document ${first}; there are ${Object.keys(documents).map(nameOf).join(', ')}`, output);
  output.out(text.trimEnd());
  return 0;
}

const nameOf = (file: string): string => file.replace(/\.json$/, '');

function misused(message: string, output: OpenApiCommandOutput): number {
  output.error(`${message}\n${usage}`);
  return 2;
}

async function write(
  folder: string,
  documents: Readonly<Record<string, string>>,
  output: OpenApiCommandOutput,
): Promise<number> {
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(documents)) {
    await Bun.write(join(folder, file), text);
    output.out(join(folder, file));
  }
  return 0;
}

async function check(
  folder: string,
  documents: Readonly<Record<string, string>>,
  output: OpenApiCommandOutput,
): Promise<number> {
  const differing: string[] = [];
  for (const [file, text] of Object.entries(documents)) {
    const committed = await Bun.file(join(folder, file))
      .text()
      .catch(() => undefined);
    if (committed !== text) differing.push(file);
  }
  if (differing.length === 0) return 0;
  output.error(`out of date in ${folder}: ${differing.join(', ')}; run \`tollgate openapi --write ${folder}\``);
  return 1;
}
