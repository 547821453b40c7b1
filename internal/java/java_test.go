package java

import (
	"math/big"
	"testing"
)

func TestAppendText(t *testing.T) {
	const in = "q\" b\\ s/ \b\t\n\f\r\x01\x1f\x7f é € \u2028 😀 \xff\xe2\x82 end"
	for _, c := range []struct {
		astral bool
		want   string
	}{
		{true, `"q\" b\\ s/ \b\t\n\f\r\u0001\u001F` + "\x7f é € \u2028 " + `\uD83D\uDE00` + " \uFFFD\uFFFD\uFFFD end" + `"`},
		{false, `"q\" b\\ s/ \b\t\n\f\r\u0001\u001F` + "\x7f é € \u2028 😀 \uFFFD\uFFFD\uFFFD end" + `"`},
	} {
		if got := string(AppendText([]byte("x"), in, c.astral)); got != "x"+c.want {
			t.Errorf("AppendText(astral %t) = %s, want x%s", c.astral, got, c.want)
		}
		if got := string(AppendText(nil, []byte(in), c.astral)); got != c.want {
			t.Errorf("AppendText(bytes, astral %t) = %s, want %s", c.astral, got, c.want)
		}
	}
}

func TestAppendBigInteger(t *testing.T) {
	for in, want := range map[string]string{
		"0": "\x00", "1": "\x01", "127": "\x7f", "128": "\x00\x80", "255": "\x00\xff", "256": "\x01\x00", "-1": "\xff", "-128": "\x80", "-129": "\xff\x7f", "-256": "\xff\x00", "-32768": "\x80\x00", "-32769": "\xff\x7f\xff",
	} {
		n, _ := new(big.Int).SetString(in, 10)
		if got := string(AppendBigInteger([]byte("x"), n)); got != "x"+want {
			t.Errorf("AppendBigInteger(%s) = %x, want %x", in, got, "x"+want)
		}
	}
}
