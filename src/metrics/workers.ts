import { AggregatorRegistry, type Registry } from 'prom-client';

/** Every metric of one process with its values, as plain data. */
export type Samples = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * The numbers of several workers as those of one process. What a worker had counted stays when it goes: a counter that
 * shrinks would be taken for one that began anew, and all of it be counted again.
 */
export class WorkerMetrics {
  readonly #latest = new Map<number, Samples>();
  #first: number | undefined;
  #departed: Samples = [];
  #departing = Promise.resolve();

  /** `first`: it has asked the store, so that what all tell alike is taken from it. */
  add(worker: number, samples: Samples, first = false): void {
    this.#latest.set(worker, samples);
    if (first) this.#first = worker;
  }

  /** Its counters and histograms stay as they were last told; its gauges are about nothing any more. */
  remove(worker: number): Promise<void> {
    // One after the other: each adds to what the one before left.
    this.#departing = this.#departing.then(async () => {
      const last = this.#latest.get(worker) ?? [];
      const counted = last.filter(({ type }) => String(type) !== 'gauge');
      const departed = await AggregatorRegistry.aggregate([this.#departed, counted]).getMetricsAsJSON();
      this.#latest.delete(worker);
      this.#departed = departed;
    });
    return this.#departing;
  }

  /** As Prometheus reads it; `own` is what this process counts itself. */
  async text(own: Registry): Promise<string> {
    const counted = await own.getMetricsAsJSON();
    const workers = [...this.#latest].sort(
      ([a], [b]) => Number(b === this.#first) - Number(a === this.#first),
    );
    const all = [...workers.map(([, samples]) => samples), this.#departed, counted];
    return AggregatorRegistry.aggregate(all).metrics();
  }
}
