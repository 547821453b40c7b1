package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// responseHeaders adds what response.http.headers.config wants in every answer.
type responseHeaders []connect.HeaderRule

func (rules responseHeaders) add(h http.Header, now time.Time) {
	for _, rule := range rules {
		value := rule.Value
		if rule.Date {
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				continue // it was checked
			}
			value = now.Add(time.Duration(ms) * time.Millisecond).UTC().Format(http.TimeFormat)
		}
		if rule.Add {
			h.Add(rule.Name, value)
		} else {
			h.Set(rule.Name, value)
		}
	}
}
