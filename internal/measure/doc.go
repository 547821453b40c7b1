// Package measure holds what types count with beside sync/atomic: the greatest value since the last look, and quantiles. In go values, out come
// their figures; names and output are connect's. Everything may be used by several goroutines; there are none of its own.
package measure
