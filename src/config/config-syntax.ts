// Just enough of a module's syntax to follow a name to what it stands for: constants, imports of the config's own
// files, and what types wrap around a value.

import type { Node, ObjectExpression, Statement } from '@babel/types';

export interface Place {
  readonly node: Node;
  readonly module: SourceModule;
}

export interface SourceModule {
  readonly path: string;
  /** What a name of the module stands for, at its top level. */
  local(name: string): Place | undefined;
  exported(name: string): Place | undefined;
  /** The file and the export that a name was imported from. */
  imported(name: string): { readonly from: string; readonly name: string } | undefined;
}

type Modules = ReadonlyMap<string, SourceModule>;

export function readModule(path: string, body: readonly Statement[]): SourceModule {
  const locals = new Map<string, Node>();
  const exports = new Map<string, Node>();
  const imports = new Map<string, { readonly from: string; readonly name: string }>();
  const module: SourceModule = {
    path,
    local: (name) => placeOf(locals.get(name)),
    exported: (name) => placeOf(exports.get(name)) ?? placeOf(locals.get(name)),
    imported: (name) => imports.get(name),
  };
  const placeOf = (node: Node | undefined): Place | undefined => (node === undefined ? undefined : { node, module });
  for (const statement of body) {
    if (statement.type === 'ImportDeclaration') {
      for (const specifier of statement.specifiers) {
        const name =
          specifier.type === 'ImportSpecifier'
            ? specifier.imported.type === 'Identifier'
              ? specifier.imported.name
              : specifier.imported.value
            : 'default';
        imports.set(specifier.local.name, { from: statement.source.value, name });
      }
    } else if (statement.type === 'ExportDefaultDeclaration') exports.set('default', statement.declaration);
    const declaration =
      statement.type === 'ExportNamedDeclaration' && statement.declaration != null ? statement.declaration : statement;
    if (declaration.type !== 'VariableDeclaration') continue;
    for (const { id, init } of declaration.declarations) {
      if (id.type === 'Identifier' && init != null) locals.set(id.name, init);
    }
  }
  return module;
}

/** Names followed at most so far: a constant may stand for itself. */
const STEPS_MAX = 40;

/** Through types, brackets, constants, imports, and calls that give back what they are given. */
export function follow(place: Place | undefined, modules: Modules, steps = 0): Place | undefined {
  if (place === undefined || steps > STEPS_MAX) return undefined;
  const { node, module } = place;
  const on = (next: Place | undefined) => follow(next, modules, steps + 1);
  switch (node.type) {
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'TSNonNullExpression':
    case 'ParenthesizedExpression':
      return on({ node: node.expression, module });
    case 'Identifier':
      return on(named(module, node.name, modules));
    case 'CallExpression': {
      const [first] = node.arguments;
      const isIdentity =
        node.callee.type === 'Identifier' && module.imported(node.callee.name)?.name === 'defineGateway';
      return isIdentity && first !== undefined ? on({ node: first, module }) : place;
    }
    default:
      return place;
  }
}

function named(module: SourceModule, name: string, modules: Modules): Place | undefined {
  const own = module.local(name);
  if (own !== undefined) return own;
  const from = module.imported(name);
  return from === undefined ? undefined : fileOf(module, from.from, modules)?.exported(from.name);
}

function fileOf(module: SourceModule, specifier: string, modules: Modules): SourceModule | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = joined(module.path, specifier);
  for (const ending of ['', '.ts', '.tsx', '.mts', '.js', '.mjs', '/index.ts', '/index.js']) {
    const found = modules.get(path + ending);
    if (found !== undefined) return found;
  }
  return undefined;
}

function joined(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** The value of a member, where the object says it itself or spreads an object that does. */
export function memberNode(place: Place, key: string, modules: Modules): Place | undefined {
  const object = follow(place, modules);
  if (object === undefined) return undefined;
  if (object.node.type === 'ArrayExpression') {
    const element = /^\d+$/.test(key) ? object.node.elements[Number(key)] : undefined;
    return element == null || element.type === 'SpreadElement' ? undefined : { node: element, module: object.module };
  }
  if (object.node.type !== 'ObjectExpression') return undefined;
  return memberOf(object.node, object.module, key, modules);
}

function memberOf(object: ObjectExpression, module: SourceModule, key: string, modules: Modules): Place | undefined {
  for (const property of object.properties.toReversed()) {
    if (property.type === 'SpreadElement') {
      const found = memberNode({ node: property.argument, module }, key, modules);
      if (found !== undefined) return found;
    } else if (property.type === 'ObjectProperty' && !property.computed && keyOf(property.key) === key) {
      const value = follow({ node: property.value, module }, modules);
      // A plain value is shown where the member stands, not where its constant does.
      const isLarge = value?.node.type === 'ObjectExpression' || value?.node.type === 'ArrayExpression';
      return isLarge && value !== undefined ? value : { node: property.value, module };
    }
  }
  return undefined;
}

/** Names of the members that an object says itself. */
export const memberNames = ({ node }: Place): readonly string[] =>
  node.type !== 'ObjectExpression'
    ? []
    : node.properties.flatMap((property) =>
        property.type === 'ObjectProperty' && !property.computed ? (keyOf(property.key) ?? []) : [],
      );

const keyOf = (key: Node): string | undefined =>
  key.type === 'Identifier' ? key.name : key.type === 'StringLiteral' ? key.value : undefined;

/** A text that stands there as it is. */
export function textOf({ node }: Place): string | undefined {
  if (node.type === 'StringLiteral') return node.value;
  if (node.type !== 'TemplateLiteral' || node.expressions.length > 0) return undefined;
  return node.quasis[0]?.value.cooked ?? undefined;
}
