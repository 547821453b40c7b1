package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxDifferences bounds what one case reports: the first differences tell, the rest follows from them.
const maxDifferences = 8

// Compare returns what differs between what a case wants and what a run emitted, in a few short lines; nothing when they are equal.
func (c *Case) Compare(got *Output) []string {
	texts, _ := c.compare(got)
	return texts
}

// compare returns what differs as texts, the first few, and the names of all fields that differ: of a line its path without indices
// (value.after.price, offset.lsn), or one of the words below.
func (c *Case) compare(got *Output) (texts, fields []string) {
	d := &differences{want: &c.Want, got: got, named: map[string]bool{}}
	want, have := c.Want.Lines, got.Lines
	if c.unstable() {
		want, have = c.stable(want), c.stable(have)
	}
	wentOn := slices.IndexFunc(want, isFailure)
	if wentOn >= 0 && wentOn < len(have) && !isFailure(have[wentOn]) || wentOn == len(have) {
		d.add(inFailure, "line %d: the connector failed, the task goes on: %s", wentOn+1, short(want[wentOn]))
		want, have = want[:wentOn], have[:wentOn]
	}
	d.lines(inRecords, "line", want, have)
	if d.n == 0 {
		d.files()
		d.offsets()
	}
	return d.report(), sortedKeys(d.named)
}

// Names of differences that are not in a field of a line.
const (
	inRecords = "records" // one is missing or not wanted
	inOffsets = "offsets"
	inFailure = "failure" // one side fails
	inForm    = "form"    // the same data, written in another way
	inSchemas = "schemas"
	inRun     = "run" // the case could not be run
)

func isFailure(line string) bool { return strings.HasPrefix(line, failure) }

type differences struct {
	want, got *Output
	texts     []string
	n         int
	named     map[string]bool
}

var index = regexp.MustCompile(`\[\d+\]`)

func (d *differences) add(field, format string, args ...any) {
	d.n++
	d.named[index.ReplaceAllString(field, "")] = true
	if d.n <= maxDifferences {
		d.texts = append(d.texts, fmt.Sprintf(format, args...))
	}
}

func (d *differences) report() []string {
	if d.n > maxDifferences {
		return append(d.texts, fmt.Sprintf("and %d more differences", d.n-maxDifferences))
	}
	return d.texts
}

// lines compares line by line. Where one side has a line more, the rest is compared without it.
func (d *differences) lines(field, what string, want, got []string) {
	i, j := 0, 0
	follows := func(want, got []string) bool { // the first of got is the second of want
		if len(want) < 2 || len(got) == 0 {
			return false
		}
		return sameLine(want[1], got[0]) || len(want) > len(got) && alike(want[1], got[0]) && !alike(want[0], got[0])
	}
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && sameLine(want[i], got[j]):
			i, j = i+1, j+1
		case j == len(got) || follows(want[i:], got[j:]):
			d.add(field, "%s %d: missing: %s", what, i+1, short(want[i]))
			i++
		case i == len(want) || follows(got[j:], want[i:]):
			d.add(field, "%s %d: not wanted: %s", what, i+1, short(got[j]))
			j++
		default:
			d.line(fmt.Sprintf("%s %d", what, i+1), want[i], got[j])
			i, j = i+1, j+1
		}
	}
}

// placeText matches the parts of a line that count what came before it: a line more or less changes them in all that follow.
var placeText = regexp.MustCompile(`"(?:source|transaction)":\{[^}]*\}|"(?:key|value)Avro":"[0-9a-f]*"|^\{"record":\d+`)

// alike tells whether two lines are the same but for their place.
func alike(a, b string) bool {
	return sameLine(a, b) || placeText.ReplaceAllString(a, "") == placeText.ReplaceAllString(b, "")
}

var (
	avroErrorText = regexp.MustCompile(`("(?:key|value)AvroError":)"(?:[^"\\]|\\.)*"`)
	mustBeOneOf   = regexp.MustCompile(`must be one of ([^"]*?)(\\?"|$)`)
)

// failure begins the line that stands where the connector failed.
const failure = `{"failure":`

// sameLine compares two lines of a recording. Of failures and of Avro's refusals it counts only that there is one.
func sameLine(want, got string) bool {
	if want == got {
		return true
	}
	if isFailure(want) {
		return isFailure(got)
	}
	if strings.HasPrefix(want, `{"property":`) {
		return sortChoices(want) == sortChoices(got)
	}
	return strings.Contains(want, `AvroError":`) && avroErrorText.ReplaceAllString(want, `$1""`) == avroErrorText.ReplaceAllString(got, `$1""`)
}

// sortChoices orders the words behind "must be one of", whose order is that of a Java hash set.
func sortChoices(line string) string {
	return mustBeOneOf.ReplaceAllStringFunc(line, func(s string) string {
		words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(` ,."\`, r) })
		slices.Sort(words)
		return strings.Join(words, " ")
	})
}

// line adds the fields in which two lines differ.
func (d *differences) line(at, want, got string) {
	w, errW := parseJSON(want)
	g, errG := parseJSON(got)
	if errW != nil || errG != nil || isFailure(want) || isFailure(got) {
		d.add(inFailure, "%s: got %s, want %s", at, short(got), short(want))
		return
	}
	before := d.n
	d.fields(at, "", w, g)
	if d.n == before {
		d.add(inForm, "%s: the same data in another form: %s", at, firstByte(want, got))
	}
}

// fields walks two JSON values.
func (d *differences) fields(at, path string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, k := range sortedKeys(w) {
			if v, has := g[k]; has {
				d.fields(at, join(path, k), w[k], v)
			} else {
				d.add(join(path, k), "%s: %s: missing, want %s", at, join(path, k), render(w[k]))
			}
		}
		for _, k := range sortedKeys(g) {
			if _, has := w[k]; !has {
				d.add(join(path, k), "%s: %s: got %s, want none", at, join(path, k), render(g[k]))
			}
		}
		return
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			d.fields(at, path+"["+strconv.Itoa(i)+"]", w[i], g[i])
		}
		return
	}
	if render(want) != render(got) {
		d.leaf(at, path, want, got)
	}
}

var schemaHash = regexp.MustCompile(`(^|\.)(keySchema|valueSchema|schema)$`)

// leaf adds one differing value; of a schema's hash, where the schemas differ; of Avro bytes, from where on they differ.
func (d *differences) leaf(at, path string, want, got any) {
	w, isText := want.(string)
	g, isTextToo := got.(string)
	if isText && isTextToo {
		ws, gs := d.want.Schemas[w], d.got.Schemas[g]
		switch {
		case schemaHash.MatchString(path) && ws != "" && gs != "":
			d.schemas(path, at+": "+path, ws, gs)
			return
		case strings.HasSuffix(path, "Avro"):
			d.add(path, "%s: %s: %s", at, path, firstByte(w, g))
			return
		}
	}
	d.add(path, "%s: %s: got %s, want %s", at, path, render(got), render(want))
}

// schemas adds how two schemas differ, under the name of the field that holds them.
func (d *differences) schemas(field, at, want, got string) {
	within := &differences{want: d.want, got: d.got, named: map[string]bool{}}
	within.line(at, want, got)
	for _, text := range within.texts {
		d.add(field, "%s", text)
	}
}

// files compares the Avro schemas and the texts behind the hashes.
func (d *differences) files() {
	for _, name := range sortedKeys(d.want.Avro) {
		got, ok := d.got.Avro[name]
		switch {
		case !ok:
			d.add(inSchemas, "Avro schema %s: missing", name)
		case got != d.want.Avro[name]:
			d.schemas(inSchemas, "Avro schema "+name, d.want.Avro[name], got)
		}
	}
	for _, name := range sortedKeys(d.got.Avro) {
		if _, ok := d.want.Avro[name]; !ok {
			d.add(inSchemas, "Avro schema %s: not wanted: %s", name, short(d.got.Avro[name]))
		}
	}
	for _, hash := range sortedKeys(d.want.Schemas) {
		if _, ok := d.got.Schemas[hash]; !ok {
			d.add(inSchemas, "schema %s: missing: %s", hash, short(d.want.Schemas[hash]))
		}
	}
}

// behindCommit matches the offset of a heartbeat that came right behind a transaction, which a recording may have missed.
var behindCommit = regexp.MustCompile(`"lsn":("?\d+\+?"?),"lsn_commit":("?\d+\+?"?),"lsn_proc":("?\d+\+?"?),"messageType":"COMMIT"`)

const heartbeatOffset = `{"record":"heartbeat",`

// offsets compares source offsets, except where ours say more or less on purpose: a record in the midst of a change (its delete, its
// tombstone) may carry the offset before the change, so that a restart repeats it whole, and the last record of a transaction may carry
// one that counts the commit, too, which the connector learns of later. Heartbeats are taken as a set of possible ones.
func (d *differences) offsets() {
	if len(d.want.Offsets) == 0 {
		return
	}
	possible := map[string]bool{}
	var want, got []string
	byRecord := map[string]string{}
	for _, line := range d.got.Offsets {
		if !strings.HasPrefix(line, heartbeatOffset) {
			byRecord[recordNumber(line)] = line
		}
	}
	for i, line := range d.want.Offsets {
		switch {
		case strings.HasPrefix(line, heartbeatOffset):
			possible[line] = true
		case i+1 < len(d.want.Offsets) && sameChange(line, d.want.Offsets[i+1]):
		default:
			have, ok := byRecord[recordNumber(line)]
			if ok && d.carriedOn(i, have) {
				continue
			}
			want = append(want, line)
			if ok {
				got = append(got, have)
			}
		}
	}
	d.lines(inOffsets, "offset", want, got)
	for _, line := range d.got.Offsets {
		if strings.HasPrefix(line, heartbeatOffset) && !possible[line] && !behindCommit.MatchString(line) {
			d.add(inOffsets, "offset of a heartbeat: not one of those recorded: %s", short(line))
		}
	}
}

var transactionOf = regexp.MustCompile(`"txId":(\d+)`)

// carriedOn tells whether a source offset lies behind the commit of the transaction of which the i-th wanted one is the last.
func (d *differences) carriedOn(i int, got string) bool {
	want, next := d.want.Offsets[i], ""
	if i+1 < len(d.want.Offsets) {
		next = d.want.Offsets[i+1]
	}
	last := transactionOf.FindString(want) != transactionOf.FindString(next)
	return last && !strings.Contains(want, `"snapshot"`) && !strings.Contains(want, `"COMMIT"`) &&
		(strings.Contains(got, `"COMMIT"`) || strings.Contains(got, `"BEGIN"`)) && strings.Contains(got, `"lsn_commit"`)
}

func recordNumber(line string) string {
	n, _, _ := strings.Cut(strings.TrimPrefix(line, `{"record":`), ",")
	return n
}

var countsInTransaction = regexp.MustCompile(`"transaction_data_collection_order_[^"]*":\d+,?`)

// sameChange tells whether two neighbouring offsets are of one change: they differ in the record number and the counts at most.
func sameChange(a, b string) bool {
	cut := func(s string) string {
		_, rest, _ := strings.Cut(s, ",")
		return countsInTransaction.ReplaceAllString(rest, "")
	}
	return cut(a) == cut(b)
}

// stable brings the lines of a case whose order changes from run to run into one form that does not.
func (c *Case) stable(lines []string) []string {
	out := make([]string, 0, len(lines))
	if c.parallelSnapshot() {
		for _, l := range lines {
			out = append(out, c.stableParallel(l))
		}
		slices.Sort(out)
		return out
	}
	// Where the rows of an incremental snapshot fall among the streamed ones is a matter of timing; each kind keeps its order. The
	// LSNs in source.sequence depend on it, so do the Avro bytes, and the ranks of other LSNs.
	for _, l := range lines {
		out = append(out, withoutSequence(l))
	}
	rankAgain(out)
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(kindOfLine(a), kindOfLine(b)) })
	return out
}

const (
	lastOfTable   = `"snapshot":"last_in_data_collection"`
	incrementally = `"snapshot":"incremental"`
)

var (
	sequenceText   = regexp.MustCompile(`"sequence":"(?:[^"\\]|\\.)*",?`)
	valueAvroText  = regexp.MustCompile(`"valueAvro":"[0-9a-f]*",?`)
	keyAvroText    = regexp.MustCompile(`"keyAvro":"[0-9a-f]*",?`)
	notificationID = regexp.MustCompile(`"id":"uuid-\d+",?`)
	scannedRows    = regexp.MustCompile(`"total_rows_scanned":"\d+",?`)
	scannedTables  = regexp.MustCompile(`"data_collections":"([^"]*)"`)
)

func withoutSequence(line string) string {
	return valueAvroText.ReplaceAllString(sequenceText.ReplaceAllString(line, ""), "")
}

var lsnNumber = regexp.MustCompile(`"lsn":(\d+)`)

// rankAgain makes the LSNs in lines ranks among each other, where they were ranks among others, too.
func rankAgain(lines []string) {
	var ranks lsnSeries
	for _, l := range lines {
		for _, m := range lsnNumber.FindAllStringSubmatch(l, -1) {
			lsn, _ := strconv.ParseUint(m[1], 10, 64) // digits of four places
			ranks.add(lsn)
		}
	}
	for i, l := range lines {
		lines[i] = lsnNumber.ReplaceAllStringFunc(l, func(s string) string {
			lsn, _ := strconv.ParseUint(strings.TrimPrefix(s, `"lsn":`), 10, 64)
			return `"lsn":` + strconv.FormatInt(ranks.rank(lsn), 10)
		})
	}
}

// kindOfLine orders heartbeats and such, streamed rows, rows of incremental snapshots.
func kindOfLine(line string) int {
	switch {
	case strings.Contains(line, incrementally):
		return 2
	case strings.Contains(line, `"source":{`):
		return 1
	}
	return 0
}

// stableParallel drops from a line what differs between runs of a snapshot by several threads.
func (c *Case) stableParallel(line string) string {
	if strings.Contains(line, `"aggregate_type":`) {
		line = keyAvroText.ReplaceAllString(valueAvroText.ReplaceAllString(line, ""), "")
		line = scannedRows.ReplaceAllString(notificationID.ReplaceAllString(line, ""), "")
		return scannedTables.ReplaceAllStringFunc(line, func(s string) string {
			tables := strings.Split(scannedTables.FindStringSubmatch(s)[1], ",")
			slices.Sort(tables)
			return strings.Join(tables, ",")
		})
	}
	if c.Props["legacy.snapshot.max.threads"] != "true" {
		return line
	}
	// Whichever record comes last of all says so.
	line = strings.Replace(line, `"snapshot":"last"`, lastOfTable, 1)
	if strings.Contains(line, lastOfTable) {
		line = valueAvroText.ReplaceAllString(line, "")
	}
	return line
}

// Forms of values in reports.

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func render(v any) string {
	text, err := marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return short(text)
}

const (
	shortBytes   = 160
	failureBytes = 1200 // why the task failed is worth reading
)

func short(s string) string {
	most := shortBytes
	if strings.HasPrefix(s, failure) {
		most = failureBytes
	}
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// firstByte shows two texts around the first byte in which they differ.
func firstByte(want, got string) string {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	const before, behind = 16, 32
	cut := func(s string) string {
		from, to := max(0, i-before), min(len(s), i+behind)
		return strings.ToValidUTF8(s[min(from, len(s)):to], "?")
	}
	return fmt.Sprintf("at byte %d: got …%s…, want …%s…", i, cut(got), cut(want))
}

func parseJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
