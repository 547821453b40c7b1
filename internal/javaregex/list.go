package javaregex

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// List is a list of expressions that match whole names in any case, as Debezium's lists of tables, columns and prefixes do. As with a bufio.Scanner
// an error is kept: whoever acts on an answer of Index asks Err before. A nil List holds nothing. It may be used by several goroutines.
type List struct {
	exprs  []*Regexp
	failed atomic.Pointer[LimitError]
}

// CompileList compiles the expressions of a list; nil for none.
func CompileList(exprs []string) (*List, error) {
	if len(exprs) == 0 {
		return nil, nil
	}
	l := new(List)
	for _, e := range exprs {
		re, err := Compile(e, true)
		if err != nil {
			return nil, fmt.Errorf("regular expression %q: %w", e, err)
		}
		l.exprs = append(l.exprs, re)
	}
	return l, nil
}

// Index is the place of the first expression that matches the whole name; -1 when none does, and when one had to be given up.
func (l *List) Index(name string) int {
	if l == nil {
		return -1
	}
	for i, re := range l.exprs {
		ok, err := re.MatchString(name)
		if err != nil {
			var limit *LimitError
			if !errors.As(err, &limit) {
				limit = &LimitError{Pattern: re.pattern, Text: name, Err: err}
			}
			l.failed.CompareAndSwap(nil, limit)
			return -1
		}
		if ok {
			return i
		}
	}
	return -1
}

// Err is the *LimitError of the first name that could not be matched, nil when there is none.
func (l *List) Err() error {
	if l == nil {
		return nil
	}
	if err := l.failed.Load(); err != nil {
		return err
	}
	return nil
}
