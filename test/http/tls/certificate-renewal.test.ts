// A certificate that was issued and could not be served at once: the authority is not asked for another one, and it is
// tried again while it is good.

import { expect, test } from 'bun:test';
import { createLog } from '../../../src/core/log.ts';
import { openAcmeStore } from '../../../src/http/tls/acme/acme-store.ts';
import { openRenewal } from '../../../src/http/tls/acme/certificate-renewal.ts';
import { makeCertificate } from '../../pipeline/transport/certificates.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { settableClock } from './acme-stage.ts';

const scratch = scratchFolders();

test('what could not be served is served later, and said once', async () => {
  const clock = settableClock();
  const lines: string[] = [];
  const issued = makeCertificate('gw.example');
  let orders = 0;
  let uses = 0;
  let fails = true;
  const renewal = openRenewal({
    directory: 'https://authority.example/directory',
    domains: ['gw.example'],
    store: openAcmeStore(scratch(), () => {}),
    clock,
    chance: () => 0.5,
    log: createLog(clock, (line) => void lines.push(line), (text) => text),
    guardSecret: () => {},
    issue: async () => ({
      refused: undefined,
      async run() {
        orders += 1;
        return issued;
      },
    }),
    async use() {
      uses += 1;
      if (fails) throw new Error('EMFILE');
    },
  });
  expect(await renewal.tick()).toBe(true);
  expect(await renewal.tick()).toBe(false);
  expect([orders, uses, lines.filter((line) => line.includes('EMFILE')).length]).toEqual([1, 2, 1]);
  fails = false;
  await renewal.tick();
  await renewal.tick();
  expect([orders, uses]).toEqual([1, 3]);
});
