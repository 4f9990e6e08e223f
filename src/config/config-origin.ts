// Where a config came from: what operators are shown, what its places are found in, and whether it can be read again.

import type { ConfigSource } from './config-lines.ts';

export type ConfigOrigin =
  | { readonly kind: 'compiled-in' }
  | {
      readonly kind: 'file';
      /** Absolute. */
      readonly file: string;
      /** The file and all that it imports by path, itself first; paths are relative to its folder. */
      readonly files: readonly { readonly path: string; readonly sha256: string }[];
      /** Those of them that are code, for finding places. */
      readonly sources: readonly ConfigSource[];
    };
