package kept

import "testing"

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"sealed":"2024-01-02T03:04:05Z","files":{"a":"1 2 3 4 420 0 0 1 616263"}}`))
	f.Add([]byte(`{"files":{"a":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, one := range parse(text).Files {
			again, err := one.MarshalText()
			var back Entry
			if err == nil {
				err = back.UnmarshalText(again)
			}
			if err != nil || back != one {
				t.Errorf("%s: %+v became %+v, %v", name, one, back, err)
			}
		}
	})
}
