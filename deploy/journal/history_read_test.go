package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func ids(events []Event) (all []string) {
	for _, event := range events {
		all = append(all, event.ID)
	}
	return all
}

func TestLastEvents(t *testing.T) {
	file := HistoryFile(t.TempDir(), "booking")
	if events, err := Last(file, 3); events != nil || err != nil {
		t.Errorf("before the first deploy: %v, %v", events, err)
	}
	var text strings.Builder
	for i := range 20 {
		fmt.Fprintf(&text, `{"id": "%d", "operation": "deploy"}`+"\n", i)
	}
	text.WriteString("\n{}\nnull\n" + `{"id": "20", "opera`)
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int][]string{0: nil, 1: {"19"}, 3: {"19", "18", "17"}} {
		if events, err := Last(file, n); err != nil || !slices.Equal(ids(events), want) {
			t.Errorf("%d: %v, %v", n, ids(events), err)
		}
	}
	if events, err := Last(file, 100); err != nil || len(events) != 20 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if _, err := Last(filepath.Dir(file), 1); err == nil || !strings.HasPrefix(err.Error(), "history: ") {
		t.Errorf("a folder is read: %v", err)
	}
}

// A large history is read from its end, and the event that this cuts is left out.
func TestLastEventsOfALargeHistory(t *testing.T) {
	file := HistoryFile(t.TempDir(), "booking")
	var text bytes.Buffer
	for i := range 10 {
		line, err := json.Marshal(Event{ID: fmt.Sprint(i), Operation: OperationDeploy, Ref: strings.Repeat("x", 1<<20)})
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if events, err := Last(file, 100); err != nil || !slices.Equal(ids(events), []string{"9", "8", "7"}) {
		t.Errorf("%v, %v", ids(events), err)
	}
	if events, err := History(file); err != nil || len(events) != 10 || events[0].ID != "0" {
		t.Errorf("%v, %v", ids(events), err)
	}
}

func TestEventsSince(t *testing.T) {
	file := HistoryFile(t.TempDir(), "booking")
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	for hour := range 5 {
		if err := Record(file, Event{ID: fmt.Sprint(hour), Operation: OperationDeploy, Time: at(hour)}); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[time.Time][]string{{}: {"0", "1", "2", "3", "4"}, at(3): {"3", "4"}, at(3).Add(1): {"4"}, at(5): nil} {
		if events, err := Since(file, since); err != nil || !slices.Equal(ids(events), want) {
			t.Errorf("since %s: %v, %v; want %v", since, ids(events), err, want)
		}
	}
}
