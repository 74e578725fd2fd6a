export { BucketLayout, type HistogramOptions } from "./bucket-layout.ts";
export { CounterBlock } from "./counter-block.ts";
export { GaugeBlock } from "./gauge-block.ts";
export { Histogram, type HistogramRecorder } from "./histogram.ts";
export { type CumulativeCount, HistogramSnapshot } from "./histogram-snapshot.ts";
export { type MonotonicClock, monotonicClock } from "./monotonic-clock.ts";
export {
  DEFAULT_BOUNDS_NS,
  type HistogramSample,
  type Labels,
  type MetricFamily,
  PROMETHEUS_CONTENT_TYPE,
  prometheusText,
  type Sample,
} from "./prometheus-text.ts";
export { StageRecorder, type StageRecorderOptions } from "./stage-recorder.ts";
export { StampRing, type StampRingOptions } from "./stamp-ring.ts";
