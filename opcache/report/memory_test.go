package report

import (
	"testing"

	"relink/php"
)

func TestWeight(t *testing.T) {
	configuration := php.Configuration{InternedStringsBuffer: 4000}
	all := php.Holding{Live: 3, LiveBytes: 600, Dead: 1, DeadBytes: 150}
	fixed := int64(4000 + 10*keyBytes + 4*alignmentBytes)
	for used, want := range map[int64]int64{
		fixed + 600:       200 + 2*alignmentBytes,       // nothing that is not explained
		fixed + 600 + 400: 200 + 2*alignmentBytes + 100, // half of the 800 bytes that were compiled
		fixed:             200 + 2*alignmentBytes,       // less than nothing is nothing
	} {
		status := php.Status{Memory: php.Memory{Used: used, Wasted: 200}, Statistics: php.Statistics{MaxCachedKeys: 10}}
		if got := Weigh(status, configuration, all).Of(2, 200); got != want {
			t.Errorf("used %d: %d, want %d", used, got, want)
		}
	}
	if got := Weigh(php.Status{}, php.Configuration{}, php.Holding{}).Of(0, 0); got != 0 {
		t.Errorf("an empty cache weighs %d", got)
	}
}
