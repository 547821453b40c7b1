// Package metrics names what is measured and writes it down. In go figures by the names that Kafka Connect's and Debezium's JMX beans have for
// them, and figures of our own; out comes Prometheus' text format, with the names and labels that the usual rules of the JMX exporter make of
// such beans, so that dashboards made for a Java worker show this one.
//
// It knows neither connectors nor clients: whoever measures something is a Meter in a Registry. Rates and averages are those of Kafka's
// metrics: over metrics.num.samples samples of metrics.sample.window.ms, which a Window keeps of figures that only grow, so that nobody
// who counts needs a clock. The Registry has one goroutine, that of its Run, which has the samples taken.
package metrics
