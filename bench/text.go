package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// grouped is a number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	from := 0
	if n < 0 {
		from = 1
	}
	for at := len(text) - 3; at > from; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// identifier makes a name for databases and files of a text.
func identifier(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ' || r == '-':
			return '_'
		}
		return -1
	}, text)
}

// poll asks every 10 ms until the answer is yes, fails, or the time is over.
func poll(ctx context.Context, most time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s", most)
		case <-again.C:
		}
	}
}
