package sqldb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// driverRows reads all rows as texts, nil for null, and closes them.
func driverRows(rows driver.Rows) (out [][][]byte, err error) {
	defer func() {
		if failed := rows.Close(); err == nil {
			err = failed
		}
	}()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([][]byte, len(values))
		for i, v := range values {
			row[i] = driverText(v)
		}
		out = append(out, row)
	}
}

// driverText is a copy of a driver's value as text.
func driverText(v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case []byte:
		return append([]byte{}, v...)
	case string:
		return append([]byte{}, v...)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case uint64:
		return strconv.AppendUint(nil, v, 10)
	}
	return fmt.Append(nil, v)
}
