import { describe, expect, test } from 'bun:test';
import { createAddressBook, systemResolve } from '../../../src/pipeline/transport/vet-address.ts';

function bookOf(answers: readonly (readonly string[])[]) {
  let nowMs = 0;
  let asked = 0;
  const book = createAddressBook({
    clock: { monotonicMs: () => nowMs },
    resolve: async () => answers[Math.min(asked++, answers.length - 1)]!,
  });
  return { book, asked: () => asked, pass: (ms: number) => { nowMs += ms; } };
}

describe('createAddressBook', () => {
  test('literals need no lookup', () => {
    const { book, asked } = bookOf([[]]);
    expect(book.vet('8.8.8.8', 'public')).toEqual({ kind: 'dial', addresses: ['8.8.8.8'] });
    expect(book.vet('127.0.0.1', 'any')).toEqual({ kind: 'dial', addresses: ['127.0.0.1'] });
    expect(book.vet('127.0.0.1', 'public')).toMatchObject({ kind: 'blocked-address' });
    expect(book.vet('169.254.169.254', 'any')).toMatchObject({ kind: 'blocked-address' });
    expect(asked()).toBe(0);
  });

  test('of mixed answers only the allowed are kept, IPv4 first, at most four', async () => {
    const { book } = bookOf([[
      '2606:4700::1', '10.0.0.1', '8.8.8.8', '::1', '1.1.1.1', '2606:4700::2', '9.9.9.9', 'nonsense',
    ]]);
    expect(await book.vet('mixed.test', 'public')).toEqual({
      kind: 'dial', addresses: ['8.8.8.8', '1.1.1.1', '9.9.9.9', '2606:4700::1'],
    });
  });

  test('an answer is kept half a minute, simultaneous questions are one, and every use is judged', async () => {
    const { book, asked, pass } = bookOf([['8.8.8.8'], ['10.0.0.1']]);
    const [first, second] = await Promise.all([book.vet('a.test', 'public'), book.vet('a.test', 'public')]);
    expect([first.kind, second.kind, asked()]).toEqual(['dial', 'dial', 1]);
    pass(29_999);
    expect(await book.vet('a.test', 'public')).toMatchObject({ kind: 'dial' });
    expect(asked()).toBe(1);
    pass(2);
    expect(await book.vet('a.test', 'public')).toMatchObject({ kind: 'blocked-address' });
    expect(await book.vet('a.test', 'any')).toEqual({ kind: 'dial', addresses: ['10.0.0.1'] });
    expect(asked()).toBe(2);
  });

  test('failures are told, and not remembered', async () => {
    let asked = 0;
    const book = createAddressBook({
      clock: { monotonicMs: () => 0 },
      resolve: async () => {
        asked += 1;
        if (asked === 1) throw new Error('ENOTFOUND');
        return asked === 2 ? [] : ['8.8.8.8'];
      },
    });
    expect(await book.vet('a.test', 'public')).toMatchObject({ kind: 'dns' });
    expect(await book.vet('a.test', 'public')).toMatchObject({ kind: 'dns' });
    expect(await book.vet('a.test', 'public')).toMatchObject({ kind: 'dial' });
  });

  test('names that are refused are never looked up', async () => {
    const { book, asked } = bookOf([['8.8.8.8']]);
    for (const name of ['localhost', 'x.localhost', 'metadata.google.internal']) {
      expect(await book.vet(name, 'public')).toMatchObject({ kind: 'blocked-address' });
    }
    expect(await book.vet('metadata.google.internal', 'any')).toMatchObject({ kind: 'blocked-address' });
    expect(asked()).toBe(0);
    expect(await book.vet('localhost', 'any')).toMatchObject({ kind: 'dial' });
  });

  test('more names than it keeps are no harm', async () => {
    const { book, asked } = bookOf([['8.8.8.8']]);
    for (let i = 0; i < 1_100; i += 1) await book.vet(`n${i}.test`, 'public');
    expect(asked()).toBe(1_100);
    await book.vet('n1099.test', 'public');
    expect(asked()).toBe(1_100);
    await book.vet('n0.test', 'public');
    expect(asked()).toBe(1_101);
  });

  test('the system resolver answers with literals', async () => {
    const answers = await systemResolve('localhost');
    expect(answers.some((address) => address === '127.0.0.1' || address === '::1')).toBe(true);
  });
});
