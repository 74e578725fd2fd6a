/** The exports of this package's kernel; `assembly/` says what they do. */
export interface MetricsKernel {
  add(counter: number, n: number): void;
  read(counter: number): number;
  record(shard: number, valueNs: number): void;
  recordMany(shard: number, valueNs: number, count: number): void;
  set(gauge: number, value: number): void;
  addToGauge(gauge: number, n: number): void;
  readGauge(gauge: number): number;
  stampGroup(ring: number, end: number, receivedNs: number, events: number): void;
  stampDue(ring: number, reader: number, position: number): number;
  passStamps(ring: number, reader: number, position: number, nowNs: number, shard: number): number;
}
