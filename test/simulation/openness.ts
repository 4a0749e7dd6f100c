/** What a start that was granted says of the gate, for the trace. */
export const openness = (value: unknown): string =>
  typeof value === 'object' && value !== null && 'open' in value
    ? `, ${value.open === true ? 'open' : 'closed'}`
    : '';
