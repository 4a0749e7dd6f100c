import { visit } from 'jsonc-parser';

const maxDepth = 64;

/** OData annotations (`@odata.type`, `status@odata.type`) say something of a property and are none; no name has an `@`. */
export const isAnnotation = (key: string): boolean => key.includes('@');

/**
 * Why two readers of a JSON text could find different objects in it: a key that an object holds twice, as `nameOf` names
 * it (undefined: neither the key nor what is in its value counts), or a nesting that is deeper than what is read later
 * can follow. undefined: nothing. Throws where the text is nested thousands of levels deep.
 */
export function ambiguity(text: string, nameOf: (key: string) => string | undefined): string | undefined {
  const open: Set<string>[] = [];
  let depth = 0;
  let found: string | undefined;
  const enter = (): void => {
    depth += 1;
    if (depth > maxDepth) found ??= `it is nested deeper than ${maxDepth} levels`;
  };
  const leave = (): void => {
    depth -= 1;
  };
  visit(text, {
    onObjectBegin: () => {
      open.push(new Set());
      enter();
    },
    onObjectProperty: (key, _offset, _length, _line, _character, path) => {
      const name = nameOf(key);
      const keys = open.at(-1);
      if (name === undefined || keys === undefined) return;
      if (keys.has(name) && !path().some((above) => typeof above === 'string' && nameOf(above) === undefined))
        found ??= `the key "${key.slice(0, 64)}" is repeated`;
      keys.add(name);
    },
    onObjectEnd: () => {
      open.pop();
      leave();
    },
    onArrayBegin: enter,
    onArrayEnd: leave,
  });
  return found;
}
