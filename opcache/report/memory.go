package report

import (
	"relink/opcache"
	"relink/php"
)

// What OPcache takes from its memory besides the scripts, read in php-src and
// measured to the byte on 8.2.36. The interned strings buffer lies inside the
// shared memory, the JIT buffer does not.
const (
	// keyBytes is one slot of the key table: a zend_accel_hash_entry and a
	// pointer (zend_accel_hash_init). The table is allocated whole at the start.
	keyBytes = 40 + 8
	// alignmentBytes is added to each script so that it can begin at a multiple
	// of 64 (zend_shared_alloc_aligned, on x86). It stays used when the script is
	// invalidated: only memory_consumption turns into waste.
	alignmentBytes = 64
	// traceBytes is a zend_jit_trace_info, allocated for opcache.jit_max_root_traces
	// of them at the start where the JIT is on (zend_jit_trace_startup).
	traceBytes = 128
)

// memoryOf reconciles what OPcache says of its memory with what its scripts add
// up to. Not explained remain 336 bytes of globals and, growing with every
// compiled script, linked classes (the inheritance cache, since PHP 8.1) and the
// JIT's data, which OPcache counts as nobody's and never as waste. Literal keys
// cost nothing here: their text is in the interned strings buffer.
func memoryOf(m *Master, scripts *Holding) MemoryReport {
	mem := m.Status.Memory
	r := MemoryReport{
		TotalBytes: mem.Total(), UsedBytes: mem.Used, FreeBytes: mem.Free, WastedBytes: mem.Wasted,
		UsedRatio: opcache.Ratio(mem.Used, mem.Total()), FreeRatio: opcache.Ratio(mem.Free, mem.Total()), WastedRatio: mem.WastedRatio(),
		LiveBytes: scripts.LiveBytes, DeadBytes: scripts.DeadBytes, ReplacedBytes: mem.Wasted - scripts.DeadBytes,
		OverheadBytes:     mem.Used - scripts.LiveBytes,
		StringBufferBytes: m.Configuration.InternedStringsBuffer,
		KeyTableBytes:     keyBytes * m.Status.Statistics.MaxCachedKeys,
		AlignmentBytes:    alignmentBytes * (scripts.LiveScripts + scripts.DeadScripts),
		PreloadBytes:      m.Status.Preload.Memory,
	}
	if m.Status.JIT.BufferSize > 0 {
		r.JITTableBytes = traceBytes * m.Configuration.JITMaxRootTraces
	}
	r.UnexplainedBytes = r.OverheadBytes - r.StringBufferBytes - r.KeyTableBytes - r.AlignmentBytes - r.PreloadBytes - r.JITTableBytes
	return r
}

// Weight tells what OPcache attaches to scripts beside their own bytes.
type Weight struct{ attached float64 }

// Weigh learns the weight from a cache that holds all these scripts.
func Weigh(status php.Status, c php.Configuration, all php.Holding) Weight {
	compiled := all.LiveBytes + status.Memory.Wasted
	m := memoryOf(&Master{Status: status, Configuration: c}, &Holding{LiveScripts: all.Live, DeadScripts: all.Dead, LiveBytes: all.LiveBytes, DeadBytes: all.DeadBytes})
	return Weight{attached: opcache.Ratio(max(m.UnexplainedBytes, 0), compiled)}
}

// Of is the memory that so many scripts of so many bytes take.
func (w Weight) Of(scripts, bytes int64) int64 {
	return bytes + alignmentBytes*scripts + w.Attached(bytes)
}

// Attached is what stays in use when scripts of so many bytes are invalidated.
func (w Weight) Attached(bytes int64) int64 { return int64(w.attached * float64(bytes)) }
