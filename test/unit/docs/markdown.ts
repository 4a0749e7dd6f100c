/** What the tests need to know of a document in GitHub's Markdown. */

const fenced = /^( *)(```+|~~~+)([^\n]*)\n(.*?)^ *\2 *$/gms;

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

export const blocksOf = (document: string): CodeBlock[] =>
  [...document.matchAll(fenced)].map(([, , , info = '', text = '']) => ({
    language: info.trim(),
    text,
  }));

const withoutBlocks = (document: string): string => document.replace(fenced, '');

/** The document without code, so that nothing in code is taken for a link. */
const proseOf = (document: string): string =>
  withoutBlocks(document).replace(/(`+)(?!`).*?[^`]\1(?!`)/gs, ' ');

/** Where links and pictures lead, in their order; definitions of links come last. */
export function linksOf(document: string): string[] {
  const prose = proseOf(document);
  const found = [
    ...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g),
    ...prose.matchAll(/\s(?:src|href|srcset)="([^"]+)"/g),
    ...prose.matchAll(/^ {0,3}\[[^\]]+\]:\s*(\S+)/gm),
  ];
  return found.map(([, link = '']) => link);
}

/** The anchors of the headings: as GitHub makes them, with a number behind those that come again. */
export function anchorsOf(document: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = [...withoutBlocks(document).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = '']) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const anchor = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
  return new Set(anchors);
}
