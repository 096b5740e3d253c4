package redis_test

import (
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// The source finds a window by its start, so a comparison has to know it to the second.
func TestAWindowIsToldAsItIsWhateverItsZone(t *testing.T) {
	odd := time.FixedZone("odd", 3*3600+17*60+23)
	want := gateway.DayWindow(time.Now(), odd)
	onEach(t, func(t *testing.T, s store) {
		q := s.open(t, newRecord())
		a := ask(one)
		a.Window = want
		reserve(t, q, a)
		var found []gateway.Window
		if err := q.Windows(t.Context(), func(w gateway.OpenWindow) error {
			found = append(found, w.Window)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || !found[0].Start.Equal(want.Start) || !found[0].Reset.Equal(want.Reset) {
			t.Errorf("windows = %v, want %v", found, want)
		}
	})
}
