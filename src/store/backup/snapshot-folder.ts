// Where in a data folder a snapshot is put together, one at a time. What is there when the folder's lock is taken was
// left by a process that was killed.

import { join } from 'node:path';

export const snapshotFolder = (dataFolder: string): string => join(dataFolder, 'backup.partial');
