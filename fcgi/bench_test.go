package fcgi_test

import (
	"testing"

	"relink/fcgi"
)

// BenchmarkCall is one round trip to a real worker, connection included.
func BenchmarkCall(b *testing.B) {
	fpm := startFPM(b, 2)
	script := fpm.script(b, "x.php", "<?php echo 'x';")
	ctx := bounded(b)
	for b.Loop() {
		if _, err := fcgi.Call(ctx, fpm.Address, fcgi.Request{Script: script}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStatus(b *testing.B) {
	fpm := startFPM(b, 8, "pm.status_path = /fpm-status")
	ctx := bounded(b)
	for b.Loop() {
		if _, err := fcgi.Status(ctx, fpm.Address, "/fpm-status"); err != nil {
			b.Fatal(err)
		}
	}
}
