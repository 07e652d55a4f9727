// Package failpoint lets tests end the program at a named point, as a crash would.
package failpoint
