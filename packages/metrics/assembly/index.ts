import { countUp } from "./counter";
import { gaugeValue, setGauge } from "./gauge";
import { record as recordValue, recordTimes, wholeValue } from "./histogram";
export { addToGauge } from "./gauge";
export { passStamps, stampDue, stampGroup } from "./stamps";

export function add(counter: usize, n: f64): void {
  countUp(counter, <u64>n);
}

export function read(counter: usize): f64 {
  return <f64>atomic.load<u64>(counter);
}

export function record(shard: usize, value: f64): void {
  recordValue(shard, wholeValue(value));
}

export function recordMany(shard: usize, value: f64, count: f64): void {
  if (count > 0) recordTimes(shard, wholeValue(value), count);
}

export function set(gauge: usize, value: f64): void {
  setGauge(gauge, value);
}

export function readGauge(gauge: usize): f64 {
  return gaugeValue(gauge);
}
