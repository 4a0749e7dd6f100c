const kinds = new Map<string, string>();

/** The kind of an event, from its label. */
export function kindOf(label: string): string {
  const known = kinds.get(label) ?? label.replace(/^\S+ (<- )?/, '').replace(/ .*/, '');
  kinds.set(label, known);
  return known;
}

/** Whether it is of a kind of which there are many while nothing happens. */
export const isWaiting = (kind: string): boolean => /^(timer|read|upload|disk|depth|pending)$/.test(kind);
