// What `tollgate help` says of a build. In a file of its own, so that a start does not load the rest.

export const buildFlagsHelp = `  --config FILE        the typed config to compile in (TOLLGATE_CONFIG); needed outside the source tree
  --out FILE           the executable to write (dist/tollgate, or dist/tollgate-TARGET)
  --target SYSTEM      for another system: linux-arm64, linux-x64-musl, darwin-arm64, windows-x64, ...
  --no-types           compile without checking the types of the config and its plugins`;
