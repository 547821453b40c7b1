package filestream

import (
	"bytes"
	"fmt"
	"io"
)

// mostLine bounds a line. No broker takes records anywhere near as large; without a bound a file without line ends would fill the memory.
const mostLine = 64 << 20

// readSize is how much is read at once.
const readSize = 64 << 10

// lines cuts what is read into lines, which end with \n, \r\n or \r. Not safe for concurrent use.
type lines struct {
	buf        []byte
	start, end int // what of buf is read and not yet taken
	searched   int // behind start: no line ends before it
	taken      int64
}

// reset forgets what was read; the next byte stands at position.
func (l *lines) reset(position int64) {
	l.start, l.end, l.searched, l.taken = 0, 0, 0, position
}

// waiting is the count of bytes that were read and not taken.
func (l *lines) waiting() int { return l.end - l.start }

// next takes the next whole line, without its end; the bytes live until fill. A \r at the end of what was read may be half of \r\n.
func (l *lines) next() (line []byte, ok bool) {
	rest := l.buf[l.start:l.end]
	i := ending(rest[l.searched:])
	if i < 0 {
		l.searched = len(rest)
		return nil, false
	}
	i += l.searched
	behind := i + 1
	if rest[i] == '\r' {
		if behind == len(rest) {
			l.searched = i
			return nil, false
		}
		if rest[behind] == '\n' {
			behind++
		}
	}
	l.start += behind
	l.taken += int64(behind)
	l.searched = 0
	return rest[:i], true
}

// ending is where the first \n or \r stands, -1 without.
func ending(text []byte) int {
	i := bytes.IndexByte(text, '\n')
	if i >= 0 {
		text = text[:i]
	}
	if j := bytes.IndexByte(text, '\r'); j >= 0 {
		return j
	}
	return i
}

// last takes what is left when there comes no more: a line without an end, or with a lone \r.
func (l *lines) last() (line []byte, ok bool) {
	rest := l.buf[l.start:l.end]
	if len(rest) == 0 {
		return nil, false
	}
	l.taken += int64(len(rest))
	l.start, l.end, l.searched = 0, 0, 0
	return bytes.TrimSuffix(rest, []byte{'\r'}), true
}

// room gives space for at least one byte more. A line that was given back must not be used after it.
func (l *lines) room() ([]byte, error) {
	if l.start > 0 {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	if l.end == 0 && len(l.buf) > readSize {
		l.buf = nil // that of a rare long line is given back
	}
	if len(l.buf)-l.end < readSize/2 {
		if l.end >= mostLine {
			return nil, fmt.Errorf("the line is longer than %d bytes: no broker takes a record of that size; take it out of the file, or set the connector's offset behind it", mostLine)
		}
		grown := make([]byte, min(max(readSize, 2*len(l.buf)), mostLine+readSize))
		copy(grown, l.buf[:l.end])
		l.buf = grown
	}
	return l.buf[l.end:], nil
}

// fill reads once. It returns io.EOF when there is nothing to read now.
func (l *lines) fill(from io.Reader) error {
	room, err := l.room()
	if err != nil {
		return err
	}
	n, err := from.Read(room)
	l.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// add appends bytes that were read elsewhere.
func (l *lines) add(chunk []byte) error {
	for len(chunk) > 0 {
		room, err := l.room()
		if err != nil {
			return err
		}
		n := copy(room, chunk)
		l.end += n
		chunk = chunk[n:]
	}
	return nil
}
