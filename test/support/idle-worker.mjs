// A worker of a cluster that hears, and does nothing.
process.on('message', () => undefined);
process.send?.({ kind: 'hears' });
