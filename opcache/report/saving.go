package report

import (
	"strings"

	"relink/php"
)

// savedBy is what a master saves because instances share this release: without
// that, each would hold a copy of the live scripts and their keys.
//
// Which master serves which instance is not known, but each of those that hold
// the release serves at least one. So of N instances on M masters N - M copies
// are saved, in equal parts; with one master that is (N - 1) x the live bytes.
func (b *builder) savedBy(r *release, master int) (bytes, liveBytes, keys int64) {
	holders := int64(0)
	for i := range r.masters {
		if r.liveOn(i) {
			holders++
		}
	}
	copies := int64(len(r.instances)) - holders
	if holders == 0 || copies <= 0 {
		return 0, 0, 0
	}
	h := r.masters[master]
	return copies * (h.LiveBytes + b.attached(master, h)) / holders, copies * h.LiveBytes / holders, copies * h.LiveScripts / holders
}

// liveOn tells whether a master holds live scripts of the release.
func (r *release) liveOn(master int) bool {
	return r.masters != nil && r.masters[master] != nil && r.masters[master].LiveScripts > 0
}

// attached is the memory that live scripts hold beside their own: the alignment
// and their part of what no figure explains. That is made by all scripts that
// were compiled since the restart, and stays when they are invalidated; it is
// shared out by their bytes. Measured on 8.2.36 for an application of classes
// that inherit: 25 % of the scripts' bytes, and 86 % with the tracing JIT.
func (b *builder) attached(master int, h *holding) int64 {
	return alignmentBytes*h.LiveScripts + b.share(master, h.LiveBytes)
}

// isAgent knows relink's own script, which has no class that inherits and so
// leaves next to nothing. In a small cache its part would be missed elsewhere.
func isAgent(s *php.Script) bool {
	return s.Live && strings.HasPrefix(base(s.Path), "relink-agent-")
}

func (b *builder) share(master int, bytes int64) int64 {
	m := &b.report.Masters[master].Memory
	compiled := m.LiveBytes + m.WastedBytes - b.agents[master]
	if compiled <= 0 || m.UnexplainedBytes <= 0 {
		return 0
	}
	return int64(float64(m.UnexplainedBytes) * float64(bytes) / float64(compiled))
}
