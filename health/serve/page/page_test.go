package page

import (
	"fmt"
	"testing"

	"relink/internal/browsertest"
)

// The page fits the narrowest phone and both colour schemes.
func TestPageLooks(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("%s-%d", scheme, width), func(t *testing.T) {
				b := open(t, feedOf(t, fixture()), browsertest.Setup{Width: width, Scheme: scheme})
				b.Until(`String(document.querySelectorAll('#charts canvas').length)`, "2")
				if n := browsertest.Eval[int64](b, `document.documentElement.scrollWidth`); n > width {
					t.Errorf("the page is %d wide on a screen of %d", n, width)
				}
				b.Screenshot(fmt.Sprintf("%s-%d", scheme, width))
				b.WantQuiet()
			})
		}
	}
}
