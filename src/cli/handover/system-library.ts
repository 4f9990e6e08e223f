// The few calls of the C library that Bun has no interface for. Loaded when they are needed, never on a request's way.

const names = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1'] as const;

/** Undefined where there is none that we know. */
export async function systemLibrary() {
  if (process.platform !== 'linux') return undefined;
  const { dlopen, ptr } = await import('bun:ffi');
  for (const name of names) {
    try {
      const { symbols } = dlopen(name, {
        setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
        dup2: { args: ['i32', 'i32'], returns: 'i32' },
        socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
        sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
        close: { args: ['i32'], returns: 'i32' },
        adjtimex: { args: ['ptr'], returns: 'i32' },
      });
      return { symbols, ptr };
    } catch {
      // Another C library than this one.
    }
  }
  return undefined;
}
