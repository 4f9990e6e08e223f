// What every client under test can do: say something, whole or streamed, and run a turn with two tools that are called
// at once and whose results it sends back.

export interface ClientTarget {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly apiKey: string;
  readonly model: string;
}

export interface ToolRound {
  /** Names of the calls of the first turn, in order. */
  readonly called: readonly string[];
  /** What the second turn said. */
  readonly text: string;
}

export interface Client {
  /** With its version. */
  readonly name: string;
  /**
   * `at-start`: it reads the input's tokens where a stream begins, and only Anthropic itself knows them there.
   * `unasked`: it never asks a stream for usage. Absent: it reads what a stream states in the end.
   */
  readonly streamedUsage?: 'at-start' | 'unasked' | undefined;
  say(
    target: ClientTarget,
    stream: boolean,
  ): Promise<{ readonly text: string; readonly inputTokens: number | undefined }>;
  round(target: ClientTarget, stream: boolean): Promise<ToolRound>;
}

export const greeting = 'Hello there, 你好 🦊';
export const errand = 'call weather and call clock';

/** JSON Schema of both tools' input. */
export const toolSchema = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const, description: 'Where' } },
  required: ['city'],
  additionalProperties: false,
};
export const toolNames = ['weather', 'clock'] as const;
export const resultOf = (name: string): string => (name === 'weather' ? 'sunny' : 'noon');
