package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !pause.For(t.Context(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("For(a minute) waited %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if pause.For(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("For(a minute) of a context that ended after a second waited %s", time.Since(began))
		}
		if pause.For(ctx, 0) {
			t.Error("For(0) of a context that ended = true")
		}
		if !pause.For(t.Context(), 0) {
			t.Error("For(0) = false")
		}
	})
}
