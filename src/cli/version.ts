// The version that the package states; the build puts the same number into the executable.

import { version as stated } from '../../package.json' with { type: 'json' };

export const version: string = stated;
