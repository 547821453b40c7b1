package sqldb

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // db.timezone works where the machine has no zones

	"github.com/tandem-cdc/tandem/internal/config"
)

var offsetText = regexp.MustCompile(`^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$`)

// parseZone reads what java.time.ZoneId reads: the name of a zone, Z, or an offset with or without UTC, GMT or UT before it. nil is UTC;
// an offset has no name.
func parseZone(text string) (*time.Location, error) {
	switch text {
	case "Z", "UTC", "GMT", "UT", "Etc/UTC":
		return nil, nil
	case "", "Local":
		return nil, config.Complain("Invalid time zone identifier")
	}
	if m := offsetText.FindStringSubmatch(text); m != nil {
		var parts [3]int
		for i, digits := range m[2:] {
			parts[i], _ = strconv.Atoi(digits) // "" is 0
		}
		seconds := parts[0]*3600 + parts[1]*60 + parts[2]
		if parts[1] > 59 || parts[2] > 59 || seconds > 18*3600 {
			return nil, config.Complain("Invalid time zone identifier")
		}
		if m[1] == "-" {
			seconds = -seconds
		}
		return time.FixedZone("", seconds), nil
	}
	zone, err := time.LoadLocation(strings.TrimSpace(text))
	if err != nil {
		return nil, config.Complain("Invalid time zone identifier")
	}
	return zone, nil
}
