package history

import (
	"errors"
	"fmt"
	"strings"
)

// Truth gathers transactions from what test_decoding says, line by line, as pg_logical_slot_get_changes returns them with include-xids. A slot
// that was set back by a crash of its server tells again what it told: that is left out.
type Truth struct {
	Transactions []Transaction

	open   *Transaction
	behind LSN // of the last transaction or message that was taken
}

// Add takes one line. xid is the transaction's, at where the line says it was.
func (t *Truth) Add(at LSN, xid uint32, line string) error {
	switch {
	case strings.HasPrefix(line, "BEGIN "):
		t.open = &Transaction{XID: xid}
		return nil
	case strings.HasPrefix(line, "COMMIT "):
		if t.open == nil || t.open.XID != xid {
			return fmt.Errorf("%q at %s ends no transaction that began", line, at)
		}
		t.open.Commit = at
		t.take(*t.open)
		t.open = nil
		return nil
	}
	transactional, changes, err := ParseChange(line)
	if err != nil {
		return fmt.Errorf("at %s: %w", at, err)
	}
	for i := range changes {
		changes[i].LSN = at
	}
	switch {
	case !transactional:
		t.take(Transaction{Commit: at, Changes: changes})
	case t.open == nil:
		return fmt.Errorf("%.80q at %s is in no transaction", line, at)
	default:
		t.open.Changes = append(t.open.Changes, changes...)
	}
	return nil
}

func (t *Truth) take(tx Transaction) {
	if tx.Commit > t.behind {
		t.Transactions, t.behind = append(t.Transactions, tx), tx.Commit
	}
}

// Restart forgets a transaction of which only the beginning was told: the connection broke.
func (t *Truth) Restart() { t.open = nil }

// End is where the last one ended.
func (t *Truth) End() LSN { return t.behind }

// ParseChange reads a line of test_decoding that is no BEGIN and no COMMIT: a change, a truncate of several tables, which are several changes,
// or a message, which is in its transaction or not.
//
// Forms (contrib/test_decoding/test_decoding.c):
//
//	table S.T: INSERT: c[type]:value c[type]:'va''lue' c[type]:null
//	table S.T: UPDATE: old-key: c[type]:value new-tuple: c[type]:unchanged-toast-datum
//	table S.T: DELETE: c[type]:value
//	table S.T, S.U: TRUNCATE: (no-flags)
//	message: transactional: 1 prefix: P, sz: 5 content:bytes
func ParseChange(line string) (transactional bool, changes []Change, err error) {
	if rest, ok := strings.CutPrefix(line, "message: transactional: "); ok {
		return parseMessage(rest)
	}
	rest, ok := strings.CutPrefix(line, "table ")
	names, rest, ok2 := strings.Cut(rest, ": ")
	op, rest, ok3 := strings.Cut(rest, ":")
	if !ok || !ok2 || !ok3 {
		return false, nil, fmt.Errorf("line %.80q is none of test_decoding's", line)
	}
	c := Change{Table: names}
	switch op {
	case "TRUNCATE":
		for name := range strings.SplitSeq(names, ", ") {
			changes = append(changes, Change{Table: name, Op: Truncate})
		}
		return true, changes, nil
	case "INSERT":
		c.Op = Insert
		c.After, _, err = parseTuple(rest)
	case "DELETE":
		c.Op = Delete
		c.Before, _, err = parseTuple(rest)
	case "UPDATE":
		c.Op = Update
		if old, ok := strings.CutPrefix(rest, " old-key:"); ok {
			if c.Before, rest, err = parseTuple(old); err != nil {
				break
			}
			if rest, ok = strings.CutPrefix(rest, " new-tuple:"); !ok {
				err = errors.New("an old key without a new tuple")
				break
			}
		}
		c.After, _, err = parseTuple(rest)
	default:
		err = fmt.Errorf("operation %q", op)
	}
	if err != nil {
		return false, nil, fmt.Errorf("line %.80q: %w", line, err)
	}
	return true, []Change{c}, nil
}

func parseMessage(rest string) (bool, []Change, error) {
	flag, rest, ok := strings.Cut(rest, " prefix: ")
	prefix, rest, ok2 := strings.Cut(rest, ", sz: ")
	_, content, ok3 := strings.Cut(rest, " content:")
	if !ok || !ok2 || !ok3 {
		return false, nil, fmt.Errorf("a message of the form %.80q is none of test_decoding's", rest)
	}
	return flag == "1", []Change{{Table: Messages, Op: Message, After: Row{"prefix": prefix, "content": content}}}, nil
}

// parseTuple reads columns, each with a space before it, up to the end or to " new-tuple:".
func parseTuple(text string) (row Row, rest string, err error) {
	if text == " (no-tuple-data)" {
		return nil, "", nil
	}
	row = make(Row)
	for text != "" && !strings.HasPrefix(text, " new-tuple:") {
		// A type may be written character varying or integer[], so its end is the first "]:".
		name, after, ok := strings.Cut(strings.TrimPrefix(text, " "), "[")
		_, value, ok2 := strings.Cut(after, "]:")
		if !ok || !ok2 || name == "" {
			return nil, "", fmt.Errorf("%.40q is no column", text)
		}
		if row[name], text, err = parseValue(value); err != nil {
			return nil, "", fmt.Errorf("column %s: %w", name, err)
		}
	}
	return row, text, nil
}

func parseValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, "'") {
		end := strings.IndexByte(text, ' ')
		if end < 0 {
			end = len(text)
		}
		switch value, rest = text[:end], text[end:]; value {
		case "null":
			value = Null
		case "unchanged-toast-datum":
			value = Unknown
		}
		return value, rest, nil
	}
	var b strings.Builder
	for text = text[1:]; ; {
		end := strings.IndexByte(text, '\'')
		if end < 0 {
			return "", "", errors.New("a text without an end")
		}
		b.WriteString(text[:end])
		text = text[end+1:]
		if !strings.HasPrefix(text, "'") {
			return b.String(), text, nil
		}
		b.WriteByte('\'')
		text = text[1:]
	}
}
