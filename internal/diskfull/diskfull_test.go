package diskfull

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		err       error
		retriable bool
		want      string
	}{
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, true, "keep y: write x: no space left on device; it goes on when there is room"},
		{os.NewSyscallError("write", syscall.EDQUOT), true, "keep y: write: disk quota exceeded; it goes on when there is room"},
		{syscall.EFBIG, true, "keep y: file too large; it goes on when there is room"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.EIO}, false, "keep y: write x: input/output error"},
	} {
		err := Wrap(c.err, "keep %s", "y")
		var told interface{ Retriable() bool }
		if got := errors.As(err, &told) && told.Retriable(); got != c.retriable || err.Error() != c.want || !errors.Is(err, c.err) {
			t.Errorf("Wrap(%v) = %v, retriable %t, want %q and %t", c.err, err, got, c.want, c.retriable)
		}
	}
	if err := Wrap(nil, "keep"); err != nil {
		t.Errorf("Wrap(nil) = %v, want nil", err)
	}
}
