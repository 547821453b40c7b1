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
	binaryDataClass    = "io.debezium.converters.BinaryDataConverter" // the same for Values
	numbersPackage     = "org.apache.kafka.connect.converters."
)

// Env is what converters need of their surroundings; the zero Env will do.
type Env struct {
	// Transport reaches the schema registry; nil: connections of the converter's own.
	Transport http.RoundTripper
}

// maker makes the converter of one class.
type maker func(props map[string]string, isKey bool, env Env) (Converter, config.Report)

// class is a Java class with what makes its converter and what defines its options.
type class struct {
	name string
	make maker
	keys func() config.Keys
}

// classes are in the order of the documentation. A function, for the delegate of a converter is one of them too.
func classes() []class {
	none := func() config.Keys { return nil }
	return []class{
		{AvroClass, newAvro, func() config.Keys { c := defaultAvroConfig(); return c.avroKeys() }},
		{JSONClass, newJSONConverter, func() config.Keys { c := defaultJSONConfig(); return c.jsonKeys() }},
		{StringClass, newStringConverter, func() config.Keys { return stringKeys(new(string)) }},
		{ByteArrayClass, newByteArrayConverter, none}, // the delegate is Debezium's
		{debeziumBytesClass, newByteArrayConverter, func() config.Keys { c := byteArrayConfig{}; return c.keys() }},
		{binaryDataClass, newByteArrayConverter, func() config.Keys { c := byteArrayConfig{}; return c.keys() }},
		{numbersPackage + "BooleanConverter", newNumberConverter(booleanFormat), none},
		{numbersPackage + "ShortConverter", newNumberConverter(shortFormat), none},
		{numbersPackage + "IntegerConverter", newNumberConverter(integerFormat), none},
		{numbersPackage + "LongConverter", newNumberConverter(longFormat), none},
		{numbersPackage + "FloatConverter", newNumberConverter(floatFormat), none},
		{numbersPackage + "DoubleConverter", newNumberConverter(doubleFormat), none},
	}
}

// Classes lists the classes that New knows.
func Classes() []string {
	var names []string
	for _, c := range classes() {
		names = append(names, c.name)
	}
	return names
}

// Keys are the definitions of a class's options, without prefix, for validation and documentation.
func Keys(className string) (config.Keys, bool) {
	for _, c := range classes() {
		if c.name == className {
			return c.keys(), true
		}
	}
	return nil, className == SimpleHeaderClass
}

// instead says what to use for the converters that people have and that do not exist here.
var instead = map[string]string{
	"io.confluent.connect.json.JsonSchemaConverter":                            "use " + AvroClass + ", or " + JSONClass,
	"io.confluent.connect.protobuf.ProtobufConverter":                          "use " + AvroClass + ", or " + JSONClass,
	"io.apicurio.registry.utils.converter.AvroConverter":                       "use " + AvroClass + " with the registry's schema.registry.url=http://HOST:PORT/apis/ccompat/v7",
	"io.apicurio.registry.utils.converter.ExtJsonConverter":                    "use " + JSONClass + ", which keeps the schema in the record, or " + AvroClass,
	"io.apicurio.registry.utils.converter.SerdeBasedConverter":                 "use " + AvroClass + " with the registry's schema.registry.url=http://HOST:PORT/apis/ccompat/v7",
	"io.debezium.converters.CloudEventsConverter":                              "use " + AvroClass + " or " + JSONClass,
	"com.amazonaws.services.schemaregistry.kafkaconnect.AWSKafkaAvroConverter": "use " + AvroClass + " with a Confluent-compatible registry",
}

// Instead says what to use in place of a class of a converter that does not exist here; "" of a class that nobody knows.
func Instead(className string) string { return instead[className] }

// New makes the converter that a class selects. props are its options without the prefix (value.converter.schemas.enable is
// schemas.enable here). It does not connect. The Converter is nil when the Report has errors.
func New(className string, props map[string]string, isKey bool, env Env) (Converter, config.Report) {
	for _, c := range classes() {
		if c.name == className {
			return c.make(props, isKey, env)
		}
	}
	var r config.Report
	r.Fail("", "Class %s could not be found; the converters are %s.", className, strings.Join(Classes(), ", "))
	return nil, r
}

// NewHeader makes the header converter that a class selects; every converter can be one.
func NewHeader(className string, props map[string]string, env Env) (HeaderConverter, config.Report) {
	if className == SimpleHeaderClass {
		return simpleHeaderConverter{}, (config.Keys{}).Parse(props)
	}
	c, r := New(className, props, false, env)
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
