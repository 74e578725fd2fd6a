export { CounterBlock } from "./counter-block.ts";
export { type MetricFamily, PROMETHEUS_CONTENT_TYPE, prometheusText, type Sample } from "./prometheus-text.ts";
