import { describeLedger } from '../../store/ledger-suite.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { embeddedHarness } from './embedded-harness.ts';

const scratch = scratchFolders();
describeLedger('embedded ledger', () => embeddedHarness(scratch()));
