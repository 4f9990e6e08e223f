// One JSON line an event, to a sink that is handed in. Fields are an allow-list by construction: callers name each;
// values are escaped by JSON, so that no text can break a line; known secrets are cut out before the line is written.

import type { Clock } from './clock.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export const logLevels = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

const FIELD_LENGTH = 2_000;

/** JSON leaves DEL, C1 controls and line separators as they are; terminals and line readers do not. */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/** Lines below `least` are not made. */
export function createLog(
  clock: Clock,
  write: (line: string) => void,
  redact: (text: string) => string,
  least: LogLevel = 'info',
): Log {
  const line = (level: LogLevel, event: string, fields: LogFields | undefined) => {
    const entry: Record<string, string | number | boolean> = {
      at: new Date(clock.now()).toISOString(),
      level,
      event: redact(event),
    };
    for (const [name, value] of Object.entries(fields ?? {})) {
      // Cut after redacting: half of a secret would not be recognised any more.
      if (value !== undefined) entry[name] = typeof value === 'string' ? redact(value).slice(0, FIELD_LENGTH) : value;
    }
    const text = JSON.stringify(entry).replace(
      UNSAFE,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    write(`${text}\n`);
  };
  const from = logLevels.indexOf(least);
  const at =
    (level: LogLevel): Log['info'] =>
    (event, fields) => {
      if (logLevels.indexOf(level) >= from) line(level, event, fields);
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
