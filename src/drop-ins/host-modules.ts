// What a config file and drop-ins may import by name without having it beside them: the host's own modules, so that
// both sides hold the very same objects.

/** By name, as functions so that nothing is loaded before it is asked for. */
export type HostModules = Readonly<Record<string, () => Promise<Record<string, unknown>>>>;

const provided = new Set<string>();

export async function provideHostModules(modules: HostModules): Promise<void> {
  for (const [name, load] of Object.entries(modules)) {
    if (provided.has(name)) continue;
    const exports = await load();
    Bun.plugin({
      name: `tollgate host module ${name}`,
      setup: (build) => void build.module(name, () => ({ exports, loader: 'object' })),
    });
    provided.add(name);
  }
}
