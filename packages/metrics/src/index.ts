export { BucketLayout, type HistogramOptions } from "./bucket-layout.ts";
export { CounterBlock } from "./counter-block.ts";
export { GaugeBlock } from "./gauge-block.ts";
export { Histogram, type HistogramRecorder } from "./histogram.ts";
export { type CumulativeCount, HistogramSnapshot } from "./histogram-snapshot.ts";
export {
  DEFAULT_BOUNDS_NS,
  type HistogramSample,
  type Labels,
  type MetricFamily,
  PROMETHEUS_CONTENT_TYPE,
  prometheusText,
  type Sample,
} from "./prometheus-text.ts";
