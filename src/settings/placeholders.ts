import type { Issue } from '../policies/document.ts';

/** What a copied example leaves to be filled in, and what is wrong with a value that still has it. */
const kinds: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/<[a-z][a-z0-9 _.-]{0,60}>/i, 'still has a placeholder in angle brackets: replace it with the real value'],
  [
    /\$\{[a-z_][a-z0-9_]*\}|\$\([a-z_][a-z0-9_]*\)/i,
    'still has a variable such as ${NAME}, which nothing has replaced: write the value itself',
  ],
  [
    /\byour[-_ ]?(?:tenant|client|app|application|bot|domain|host|org|organi[sz]ation|password|secret)\b/i,
    'still has a placeholder that begins with "your": replace it with the real value',
  ],
  [
    /\b(?:0{8}(?:-0{4}){3}-0{12}|x{8}(?:-x{4}){3}-x{12})\b/i,
    'still has an id of zeros or "x" as a placeholder: replace it with the real id',
  ],
];

/** In routes, braces are placeholders of the product itself. */
const inBraces = [
  /\{[a-z][a-z0-9 _-]{0,40}\}/i,
  'still has a placeholder in braces: replace it with the real value',
] as const;

/** Placeholders that were left in a value, wherever in it. Never quotes them: they may be part of a secret. */
export function placeholdersIn(value: unknown, { braces }: { readonly braces: boolean }): Issue[] {
  const wanted = braces ? [...kinds, inBraces] : kinds;
  const found: Issue[] = [];
  const look = (at: unknown, path: readonly PropertyKey[]): void => {
    if (typeof at === 'string') {
      const text = wanted.find(([pattern]) => pattern.test(at))?.[1];
      if (text !== undefined) found.push({ path, text });
    } else if (Array.isArray(at)) at.forEach((each, index) => look(each, [...path, index]));
    else if (typeof at === 'object' && at !== null)
      for (const [name, each] of Object.entries(at)) {
        if (name !== 'clientSecret') look(each, [...path, name]);
        else if (typeof each === 'string' && isPlaceholder(each))
          found.push({ path: [...path, name], text: 'is a placeholder: write the secret itself' });
      }
  };
  look(value, []);
  return found;
}

/** The same for a secret, which may hold anything: only one that is nothing else. */
export const isPlaceholder = (secret: string): boolean => /^(?:<[^<>]+>|\$\{\w+\}|\{[\w -]+\})$/.test(secret);
