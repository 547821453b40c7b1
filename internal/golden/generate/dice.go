package generate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// dice are the random choices of one case.
type dice struct{ *rand.Rand }

func newDice(seed, number uint64) dice { return dice{rand.New(rand.NewPCG(seed, number))} }

// chance is true in percent of a hundred throws.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// between is a number from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

// of chooses one of several.
func of[T any](d dice, choices ...T) T { return choices[d.IntN(len(choices))] }

// digits are n decimal digits, the first of which is not 0.
func (d dice) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + d.IntN(10))
	}
	if n > 0 {
		b[0] = byte('1' + d.IntN(9))
	}
	return string(b)
}

// bits are n binary digits.
func (d dice) bits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + d.IntN(2))
	}
	return string(b)
}

// hex are n random bytes in hexadecimal.
func (d dice) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.IntN(256))
	}
	return fmt.Sprintf("%x", b)
}

// word are a few lower case letters.
func (d dice) word() string {
	b := make([]byte, d.between(1, 9))
	for i := range b {
		b[i] = byte('a' + d.IntN(26))
	}
	return string(b)
}

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// ident quotes a name for SQL.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
