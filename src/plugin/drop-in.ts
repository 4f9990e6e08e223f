// Drop-in: a plugin in a file of its own beside the config, loaded when the gateway starts. The config pins what runs:
// a file that is not the pinned one is refused.

/** What a config says of a drop-in. */
export interface DropInConfig {
  /**
   * The file, relative to the folder of the config file (to the working directory for a config that was compiled in),
   * with forward slashes: `./plugins/acme.ts`. It lies inside that folder.
   */
  readonly file: string;
  /** The pin, as `tollgate plugin pin FILE` prints it: 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** What the plugin's factory is called with: plain data. `{}` if left out. */
  readonly options?: unknown;
  /** Stands for the plugin's own name, for a config that needs it twice with different options. */
  readonly name?: string;
}

const mark = Symbol.for('tollgate.drop-in');

/** An inert value that stands in the list of its plugin's kind. */
export interface DropIn extends DropInConfig {
  readonly kind: 'drop-in';
}

/** A drop-in, in the list of its kind: `providers: [openAiCompatible(), dropIn({ file, sha256, options })]`. */
export const dropIn = (config: DropInConfig): DropIn =>
  Object.freeze({ ...config, [mark]: true as const, kind: 'drop-in' as const });

/** Whether `dropIn` made it; what it says may still be anything. */
export const isDropIn = (value: unknown): value is DropIn =>
  typeof value === 'object' && value !== null && mark in value;
