package page

import (
	"fmt"
	"html/template"
	"strings"
)

// segment is a part of a bar. Its class gives its colour.
type segment struct {
	class string
	from  float64
	size  float64
}

// barWidth is a bar's width in its own units. Sizes are attributes, since the
// page's policy allows no style in an attribute.
const barWidth = 1000

// bar draws segments on a scale of 0 to whole. least is the width below which
// none is drawn. It shows nothing that is not said in words beside it.
func bar(class string, whole, least float64, segments ...segment) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bar %s" viewBox="0 0 %d 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">`, class, barWidth)
	for _, s := range segments {
		if whole <= 0 || s.size <= 0 {
			continue
		}
		width := min(max(s.size/whole*barWidth, least), barWidth)
		x := min(max(s.from/whole*barWidth, 0), barWidth-width)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" width="%.1f" height="10"/>`, s.class, x, width)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// stack lays segments end to end.
func stack(segments []segment) []segment {
	end := 0.0
	for i := range segments {
		segments[i].from = end
		end += max(segments[i].size, 0)
	}
	return segments
}
