//go:build !crashpoint

package crashpoint

// Pass does nothing.
func Pass(string) {}
