package connect

import (
	"runtime/metrics"

	own "github.com/tandem-cdc/tandem/connect/metrics"
)

// runtimeFigures are those of Go's runtime that tell how much a worker needs.
var runtimeFigures = []struct{ from, to string }{
	{"/memory/classes/total:bytes", "tandem_memory_total_bytes"},
	{"/memory/classes/heap/objects:bytes", "tandem_memory_heap_bytes"},
	{"/gc/cycles/total:gc-cycles", "tandem_gc_cycles_total"},
	{"/cpu/classes/gc/total:cpu-seconds", "tandem_gc_cpu_seconds_total"},
	{"/cpu/classes/user:cpu-seconds", "tandem_user_cpu_seconds_total"},
	{"/sched/goroutines:goroutines", "tandem_goroutines"},
}

// collectRuntime gives what stands in the place of the JVM's figures.
func collectRuntime(out *own.Out) {
	samples := make([]metrics.Sample, len(runtimeFigures))
	for i, f := range runtimeFigures {
		samples[i].Name = f.from
	}
	metrics.Read(samples)
	for i, f := range runtimeFigures {
		switch v := samples[i].Value; v.Kind() { // another is not in this version of Go
		case metrics.KindUint64:
			out.Own(f.to, float64(v.Uint64()))
		case metrics.KindFloat64:
			out.Own(f.to, v.Float64())
		}
	}
}
