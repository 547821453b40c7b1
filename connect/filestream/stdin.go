package filestream

import (
	"context"
	"io"
	"sync"
)

// Stdin is the standard input of the process. Make one and give it to all source tasks: one at a time reads from it, and what it leaves
// the next one gets.
//
// A read of standard input cannot be interrupted. So there is one goroutine, started by the first task that reads and ended by the end of the
// input or of the process; it is never more than one chunk ahead.
type Stdin struct {
	from   io.Reader
	begin  sync.Once
	turn   chan struct{} // Holder: the task that reads. Bound: 1
	chunks chan []byte   // Sender and closer: the goroutine. Bound: none waits in it
	back   chan []byte   // Sender: the task, with the chunk it has copied. Bound: 1
	lines  lines         // of who has the turn
}

// NewStdin stores the reader, which is os.Stdin but in tests.
func NewStdin(from io.Reader) *Stdin {
	return &Stdin{from: from, turn: make(chan struct{}, 1), chunks: make(chan []byte), back: make(chan []byte, 1)}
}

func (s *Stdin) start() {
	s.begin.Do(func() {
		go func() {
			defer close(s.chunks)
			buf := make([]byte, readSize)
			for {
				n, err := s.from.Read(buf)
				if n > 0 {
					s.chunks <- buf[:n]
					buf = <-s.back
				}
				if err != nil {
					return
				}
			}
		}()
	})
}

// acquire waits for the turn; false when ctx ended.
func (s *Stdin) acquire(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Stdin) release() { <-s.turn }

// fill waits for a chunk. It returns io.EOF at the end of the input.
func (s *Stdin) fill(ctx context.Context) error {
	s.start()
	select {
	case chunk, more := <-s.chunks:
		if !more {
			return io.EOF
		}
		err := s.lines.add(chunk)
		s.back <- chunk[:cap(chunk)]
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
