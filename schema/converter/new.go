package converter

import (
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Java classes that select a converter.
const (
	AvroClass          = "io.confluent.connect.avro.AvroConverter"
	JSONClass          = "org.apache.kafka.connect.json.JsonConverter"
	StringClass        = "org.apache.kafka.connect.storage.StringConverter"
	ByteArrayClass     = "org.apache.kafka.connect.converters.ByteArrayConverter"
	SimpleHeaderClass  = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
	debeziumBytesClass = "io.debezium.converters.ByteArrayConverter"
	numbersPackage     = "org.apache.kafka.connect.converters."
)

// Env is what converters need of their surroundings; the zero Env will do.
type Env struct {
	// Transport reaches the schema registry; nil: connections of the converter's own.
	Transport http.RoundTripper
}

// maker makes the converter of one class.
type maker func(props map[string]string, isKey bool, env Env) (Converter, config.Report)

// makers are in the order of the documentation. A function, for the delegate of a converter is one of them too.
func makers() []struct {
	class string
	make  maker
} {
	return []struct {
		class string
		make  maker
	}{
		{AvroClass, newAvro},
		{JSONClass, newJSONConverter},
		{StringClass, newStringConverter},
		{ByteArrayClass, newByteArrayConverter},
		{debeziumBytesClass, newByteArrayConverter},
		{numbersPackage + "BooleanConverter", newNumberConverter(booleanFormat)},
		{numbersPackage + "ShortConverter", newNumberConverter(shortFormat)},
		{numbersPackage + "IntegerConverter", newNumberConverter(integerFormat)},
		{numbersPackage + "LongConverter", newNumberConverter(longFormat)},
		{numbersPackage + "FloatConverter", newNumberConverter(floatFormat)},
		{numbersPackage + "DoubleConverter", newNumberConverter(doubleFormat)},
	}
}

// Classes lists the classes that New knows.
func Classes() []string {
	var classes []string
	for _, m := range makers() {
		classes = append(classes, m.class)
	}
	return classes
}

// New makes the converter that a class selects. props are its options without the prefix (value.converter.schemas.enable is
// schemas.enable here). It does not connect. The Converter is nil when the Report has errors.
func New(class string, props map[string]string, isKey bool, env Env) (Converter, config.Report) {
	for _, m := range makers() {
		if m.class == class {
			return m.make(props, isKey, env)
		}
	}
	var r config.Report
	r.Fail("", "Class %s could not be found; the converters are %s.", class, strings.Join(Classes(), ", "))
	return nil, r
}

// NewHeader makes the header converter that a class selects; every converter can be one.
func NewHeader(class string, props map[string]string, env Env) (HeaderConverter, config.Report) {
	if class == SimpleHeaderClass {
		return simpleHeaderConverter{}, (config.Keys{}).Parse(props)
	}
	c, r := New(class, props, false, env)
	if c == nil {
		return nil, r
	}
	return newConverterOfHeaders(c), r
}

func newAvro(props map[string]string, isKey bool, env Env) (Converter, config.Report) {
	c, r := parseAvroConfig(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	client, err := c.client(env.Transport)
	if err != nil {
		r.Fail("schema.registry.url", "%v", err)
		return nil, r
	}
	return newAvroConverter(c, isKey, client), r
}
