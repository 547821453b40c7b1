package converter

import (
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/schema"
)

// headerValue is a value that was guessed from text, with its schema. A nil *headerValue is the word null.
type headerValue struct {
	schema *schema.Schema
	value  schema.Value
}

// headerSchemasOf are the schemas of guessed scalars: one of each.
var headerSchemasOf = func() (all [schema.Struct + 1]*schema.Schema) {
	for t := schema.Int8; t <= schema.String; t++ {
		all[t] = schema.Of(t)
	}
	return all
}()

func headerSchema(t schema.Type) *schema.Schema { return headerSchemasOf[t] }

// parseHeader is org.apache.kafka.connect.data.Values.parseString. The word null is a null without a schema.
func parseHeader(text string) (*schema.Schema, schema.Value) {
	v := parseHeaderText(text)
	if v == nil {
		return nil, schema.NullValue
	}
	return v.schema, v.value
}

func parseHeaderText(text string) *headerValue {
	if text == "" {
		return headerString(text)
	}
	p := headerParser{text: text}
	v, err := p.parse(0)
	if err != nil { // cannot happen outside of another value
		return headerString(text)
	}
	return v
}

func headerString(text string) *headerValue {
	return &headerValue{headerSchema(schema.String), schema.OfString(text)}
}

// headerParser cuts text into tokens at : , { } [ ] and ", unless a backslash stands before them.
type headerParser struct {
	text   string
	pos    int
	next   string // token that was looked at; valid when peeked
	peeked bool
}

var errHeader = errors.New("no array, map or number")

func (p *headerParser) mark() int {
	if p.peeked {
		return p.pos - len(p.next)
	}
	return p.pos
}

func (p *headerParser) rewind(to int) { p.pos, p.peeked = to, false }

func (p *headerParser) hasNext() bool { return p.peeked || p.pos < len(p.text) }

func (p *headerParser) token() string {
	if p.peeked {
		p.peeked = false
		return p.next
	}
	return p.cut()
}

// cut takes the next token off the text.
func (p *headerParser) cut() string {
	start, escaped := p.pos, false
	for ; p.pos < len(p.text); p.pos++ {
		switch p.text[p.pos] {
		case '\\':
			escaped = !escaped
			continue
		case ':', ',', '{', '}', '[', ']', '"':
			if !escaped {
				if p.pos == start {
					p.pos++
				}
				return p.text[start:p.pos]
			}
		}
		escaped = false
	}
	return p.text[start:]
}

// tokens takes n tokens and returns their text; when there are not as many it takes none.
func (p *headerParser) tokens(n int) (string, bool) {
	start := p.mark()
	for range n {
		if !p.hasNext() {
			p.rewind(start)
			return "", false
		}
		p.token()
	}
	return p.text[start:p.pos], true
}

// consume takes the next token when it is want; blanks around it do not count.
func (p *headerParser) consume(want string) bool {
	if !p.hasNext() {
		return false
	}
	if !p.peeked {
		p.next, p.peeked = p.cut(), true
	}
	for trim(p.next) == "" && p.pos < len(p.text) {
		p.next = p.cut()
	}
	if trim(p.next) != want {
		return false
	}
	p.peeked = false
	return true
}

// trim is String.trim.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// parse reads a value; depth 0 is the whole text, which is a string if it is nothing else.
func (p *headerParser) parse(depth int) (*headerValue, error) {
	if !p.hasNext() {
		return nil, nil
	}
	if depth > maxJSONDepth {
		return nil, errHeader
	}
	embedded := depth > 0
	if embedded && p.consume(`"`) {
		return p.quoted(depth), nil
	}
	for _, word := range []string{"null", "true", "false"} {
		if p.word(word, embedded) {
			if word == "null" {
				return nil, nil
			}
			return &headerValue{headerSchema(schema.Boolean), schema.OfBool(word == "true")}, nil
		}
	}
	start := p.mark()
	if p.consume("[") {
		if v, err := p.array(depth); err == nil {
			return v, nil
		}
		p.rewind(start)
	} else if p.consume("{") {
		if v, err := p.mapOf(depth); err == nil {
			return v, nil
		}
		p.rewind(start)
	}
	return p.scalar(embedded)
}

func (p *headerParser) word(word string, embedded bool) bool {
	start := p.mark()
	if p.consume(word) && (embedded || !p.hasNext()) {
		return true
	}
	p.rewind(start)
	return false
}

func (p *headerParser) quoted(depth int) *headerValue {
	var content strings.Builder
	for p.hasNext() && !p.consumeExactly(`"`) {
		content.WriteString(p.token())
	}
	if depth < maxJSONDepth {
		if v := parseTemporalText(content.String()); v != nil {
			return v
		}
	}
	return headerString(content.String())
}

// consumeExactly is consume, but keeps blanks that stand before something else.
func (p *headerParser) consumeExactly(want string) bool {
	start := p.mark()
	if p.consume(want) {
		return true
	}
	p.rewind(start)
	return false
}

// parseTemporalText tells text that as a whole would be read as a date, time or timestamp.
func parseTemporalText(text string) *headerValue {
	if text == "" || text[0]-'0' > 9 && text[0] > ' ' {
		return nil
	}
	p := headerParser{text: text}
	v, err := p.scalar(false)
	if err != nil || v == nil || v.schema.Name == "" || v.schema.Name == schema.DecimalName {
		return nil
	}
	return v
}

func (p *headerParser) scalar(embedded bool) (*headerValue, error) {
	token := p.token()
	if trim(token) == "" {
		return headerString(token), nil
	}
	token = trim(token)
	digit := token[0]-'0' <= 9
	if digit {
		// Colons cut a time into five tokens.
		mark := p.mark()
		if rest, ok := p.tokens(4); ok {
			if v := parseTemporal(token + rest); v != nil {
				return v, nil
			}
		}
		p.rewind(mark)
		if v := parseTemporal(token); v != nil {
			return v, nil
		}
	}
	if digit || token[0] == '+' || token[0] == '-' {
		if s, v, ok := parseHeaderNumber(token); ok {
			return &headerValue{s, v}, nil
		}
	}
	if embedded {
		return nil, errHeader
	}
	return headerString(p.text), nil
}

// parseTemporal reads 2006-01-02, 15:04:05.000Z and 2006-01-02T15:04:05.000Z.
func parseTemporal(token string) *headerValue {
	token = strings.ReplaceAll(token, `\:`, ":")
	switch len(token) {
	case len("2006-01-02"):
		if t, ok := parseLenient(token, "yyyy-MM-dd"); ok {
			return &headerValue{schema.Date(), schema.OfInt32(int32(floorDiv(t.UnixMilli(), millisPerDay)))}
		}
	case len("15:04:05.000Z"):
		if t, ok := parseLenient(token, "HH:mm:ss.SSSZ"); ok {
			return &headerValue{schema.Time(), schema.OfInt32(int32(t.UnixMilli()))}
		}
	case len("2006-01-02T15:04:05.000Z"):
		if t, ok := parseLenient(token, "yyyy-MM-ddTHH:mm:ss.SSSZ"); ok {
			return &headerValue{schema.Timestamp(), schema.OfInt64(t.UnixMilli())}
		}
	}
	return nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// parseLenient reads a time by a pattern of java.text.SimpleDateFormat, which is lenient: fields may be shorter or out of their
// range, and what stands behind the last field is ignored.
func parseLenient(token, pattern string) (time.Time, bool) {
	fields := map[byte]int{'y': 1970, 'M': 1, 'd': 1}
	pos := 0
	for i := 0; i < len(pattern); {
		c := pattern[i]
		if strings.IndexByte("yMdHmsS", c) < 0 {
			if pos >= len(token) || token[pos] != c {
				return time.Time{}, false
			}
			pos++
			i++
			continue
		}
		for i < len(pattern) && pattern[i] == c {
			i++
		}
		start, n := pos, 0
		for pos < len(token) && token[pos]-'0' <= 9 {
			n = n*10 + int(token[pos]-'0')
			pos++
		}
		if pos == start {
			return time.Time{}, false
		}
		fields[c] = n
	}
	return time.Date(fields['y'], time.Month(fields['M']), fields['d'], fields['H'], fields['m'], fields['s'], fields['S']*int(time.Millisecond), time.UTC), true
}

// exactInt64 is the integer that a decimal is, if it is one and fits.
func exactInt64(unscaled *big.Int, scale int) (int64, bool) {
	switch {
	case unscaled.Sign() == 0:
		return 0, true
	case scale < -19 || scale > unscaled.BitLen():
		return 0, false
	case scale > 0:
		rest := new(big.Int)
		unscaled, rest = new(big.Int).QuoRem(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil), rest)
		if rest.Sign() != 0 {
			return 0, false
		}
	case scale < 0:
		unscaled = new(big.Int).Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
	}
	return unscaled.Int64(), unscaled.IsInt64()
}

func (p *headerParser) array(depth int) (*headerValue, error) {
	var elems []*headerValue
	var common schemaMerger
	for p.hasNext() {
		if p.consume("]") {
			values, err := align(elems, common.common)
			return &headerValue{schema.ArrayOf(common.common), schema.OfArray(values)}, err
		}
		if p.consume(",") {
			return nil, errHeader
		}
		elem, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		common.add(elem)
		elems = append(elems, elem)
		mark := p.mark()
		if p.consume("]") {
			p.rewind(mark)
		} else if !p.consume(",") {
			return nil, errHeader
		}
	}
	return nil, errHeader
}

func (p *headerParser) mapOf(depth int) (*headerValue, error) {
	var keys, values []*headerValue
	var keySchema, valueSchema schemaMerger
	for p.hasNext() {
		if p.consume("}") {
			return headerMap(keys, values, keySchema.common, valueSchema.common)
		}
		if p.consume(",") {
			return nil, errHeader
		}
		key, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		if key == nil || !p.consume(":") {
			return nil, errHeader
		}
		value, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		keys, values = append(keys, key), append(values, value)
		p.consume(",")
		keySchema.add(key)
		valueSchema.add(value)
	}
	return nil, errHeader
}

func headerMap(keys, values []*headerValue, keySchema, valueSchema *schema.Schema) (*headerValue, error) {
	if keySchema == nil {
		valueSchema = nil
	}
	keys, values = lastOfEach(keys, values, func(i int) string { return headerKey(keys[i].schema, keys[i].value) })
	k, err := align(keys, keySchema)
	if err != nil {
		return nil, err
	}
	v, err := align(values, valueSchema)
	if err != nil {
		return nil, err
	}
	k, v = lastOfEach(k, v, func(i int) string { return headerKey(keySchema, k[i]) }) // converted ones may be equal too
	entries := make([]schema.Entry, len(k))
	for i := range k {
		entries[i] = schema.Entry{Key: k[i], Value: v[i]}
	}
	return &headerValue{schema.MapOf(keySchema, valueSchema), schema.OfMap(entries)}, nil
}

func headerKey(s *schema.Schema, v schema.Value) string {
	return v.Type().String() + " " + string(appendHeader(nil, s, v, true))
}

// lastOfEach keeps of equal keys the first place and the last value, as a LinkedHashMap does.
func lastOfEach[K, V any](keys []K, values []V, text func(i int) string) (_ []K, _ []V) {
	var onceKeys []K
	var onceValues []V
	index := make(map[string]int, len(keys))
	for i := range keys {
		name := text(i)
		j, ok := index[name]
		if ok {
			onceValues[j] = values[i]
			continue
		}
		index[name] = len(onceKeys)
		onceKeys, onceValues = append(onceKeys, keys[i]), append(onceValues, values[i])
	}
	return onceKeys, onceValues
}

// schemaMerger is Values.SchemaMerger: the schema that values have in common.
type schemaMerger struct {
	common  *schema.Schema // nil: none yet, or never
	clashed bool           // two did not go together: there will be none
}

func (m *schemaMerger) add(v *headerValue) {
	switch {
	case v == nil || v.schema == nil || m.clashed:
	case m.common == nil:
		m.common = v.schema
	default:
		m.common = mergeSchemas(m.common, v.schema)
		m.clashed = m.common == nil
	}
}

// mergeSchemas is the wider of two numeric types, the newer of equal ones, nil when they do not go together.
func mergeSchemas(previous, latest *schema.Schema) *schema.Schema {
	switch {
	case previous.Type == latest.Type:
		return latest
	case previous.Type > schema.Float64 || latest.Type > schema.Float64:
		return nil
	case previous.Type > latest.Type:
		return previous
	}
	return latest
}

// align converts values to their common schema; without one they stay as they are.
func align(values []*headerValue, s *schema.Schema) ([]schema.Value, error) {
	out := make([]schema.Value, len(values))
	for i, v := range values {
		switch {
		case s == nil:
			if v != nil {
				out[i] = loose(v)
			}
		case v == nil:
			return nil, errHeader // a null does not fit a schema that is not optional
		default:
			c, ok := convertHeader(s, v)
			if !ok {
				return nil, errHeader
			}
			out[i] = c
		}
	}
	return out, nil
}

// loose is a value without its schema: dates and decimals are then Java's.
func loose(v *headerValue) schema.Value {
	if millis, ok := dateMillis(v.schema, v.value); ok {
		return schema.OfInstant(millis)
	}
	if v.schema != nil && v.schema.Name == schema.DecimalName {
		if scale, err := decimalScale(v.schema); err == nil {
			return schema.OfDecimal(v.value.Bytes(), int32(scale))
		}
	}
	return v.value
}

// convertHeader is Values.convertTo, as far as guessed values need it.
func convertHeader(s *schema.Schema, v *headerValue) (schema.Value, bool) {
	from := v.schema
	switch {
	case s.Type == from.Type && s.Name == from.Name:
		return v.value, s.Name != schema.DecimalName || s.Parameter(schema.ScaleParameter) == from.Parameter(schema.ScaleParameter)
	case s.Type == schema.String:
		return schema.OfString(string(appendHeader(nil, from, v.value, false))), true
	case from.Type > schema.Float64 || s.Type > schema.Float64:
		return schema.NullValue, false
	case s.Name == schema.TimestampName:
		if millis, ok := dateMillis(from, v.value); ok {
			return schema.OfInt64(millis), true
		}
	}
	if _, date := dateMillis(from, v.value); date && s.Name == "" {
		return schema.NullValue, false // a date is no number
	}
	if n := v.value.Int(); s.Name == schema.TimeName && from.Name == "" && (n < 0 || n > millisPerDay) {
		return schema.NullValue, false
	}
	switch s.Type {
	case schema.Float32:
		return schema.OfFloat32(float32(headerFloat(v.value))), true
	case schema.Float64:
		return schema.OfFloat64(headerFloat(v.value)), true
	}
	if from.Type >= schema.Float32 {
		return schema.NullValue, false
	}
	return schema.OfInt(s.Type, wrap(s.Type, v.value.Int())), true
}

func headerFloat(v schema.Value) float64 {
	if v.Type() == schema.Float32 || v.Type() == schema.Float64 {
		return v.Float64()
	}
	return float64(v.Int())
}
