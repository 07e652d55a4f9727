//go:build !failpoint

package failpoint

// Kill has no effect in a program that is not built for tests.
func Kill(string) func(point string) { return nil }
