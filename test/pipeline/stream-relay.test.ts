// The relay by itself: what comes before the client's side is attached, who is resumed when, and what ends a stream.

import { expect, test } from 'bun:test';
import { testClock } from '../../src/core/clock.ts';
