package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// properties is a flag that may be given several times, as NAME=VALUE each.
type properties map[string]string

// String is for package flag, which shows it as the default.
func (p properties) String() string { return "" }

// Set takes one of them.
func (p properties) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: want NAME=VALUE", text)
	}
	p[name] = value
	return nil
}

// fileProperties is a flag that names a file of properties.
type fileProperties properties

// String is for package flag.
func (p fileProperties) String() string { return "" }

// Set reads the file.
func (p fileProperties) Set(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	read, err := config.ParseProperties(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	maps.Copy(p, read)
	return nil
}

// connection is what both consoles need to reach a broker: flags under the names that Kafka's own have, new and old.
type connection struct {
	bootstrap string
	client    properties // options of Kafka's client
	files     fileProperties
}

// declare declares the flags; role is producer or consumer, as it stands in names of flags.
func (c *connection) declare(flags *flag.FlagSet, role string) {
	c.client, c.files = make(properties), make(fileProperties)
	flags.StringVar(&c.bootstrap, "bootstrap-server", "localhost:9092", "`HOST:PORT` brokers, separated by commas")
	flags.StringVar(&c.bootstrap, "broker-list", "localhost:9092", "`HOST:PORT` the older name of --bootstrap-server")
	flags.Var(c.client, "command-property", "`N=V` option of Kafka's "+role+", such as acks=1; more than once for several")
	flags.Var(c.client, role+"-property", "`N=V` the older name of --command-property")
	flags.Var(c.files, "command-config", "`FILE` properties file of such options")
	flags.Var(c.files, role+".config", "`FILE` the older name of --command-config")
}

// properties are the options for the client.
func (c *connection) properties(clientID string) map[string]string {
	all := map[string]string{"client.id": clientID}
	maps.Copy(all, c.files)
	maps.Copy(all, c.client)
	all["bootstrap.servers"] = c.bootstrap
	return all
}

// consoleProperties takes apart what --property gave. What is left over belongs to the Avro of a registry.
type consoleProperties struct {
	rest properties
	errs []error
}

func (p *consoleProperties) text(name, missing string) string {
	if value, ok := p.rest[name]; ok {
		delete(p.rest, name)
		return value
	}
	return missing
}

func (p *consoleProperties) bool(name string, missing bool) bool {
	text := p.text(name, strconv.FormatBool(missing))
	value, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("--property %s=%s: want true or false", name, text))
	}
	return value
}

func (p *consoleProperties) number(name string, missing int) int {
	text := p.text(name, strconv.Itoa(missing))
	value, err := strconv.Atoi(text)
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("--property %s=%s: want a number", name, text))
	}
	return value
}

// exclude takes what a console gives a meaning that does not exist here.
func (p *consoleProperties) exclude(name, instead string, harmless ...string) {
	text, ok := p.rest[name]
	if !ok {
		return
	}
	delete(p.rest, name)
	if !slices.Contains(harmless, text) {
		p.errs = append(p.errs, fmt.Errorf("--property %s=%s: %s", name, text, instead))
	}
}

// avro is the Avro of a registry with the options that are left over; those that nobody knows are errors.
func (p *consoleProperties) avro(isKey bool) (*converter.AvroConsole, error) {
	avro, report := converter.NewAvroConsole(p.rest, isKey, converter.Env{})
	for _, w := range report.Warnings {
		p.errs = append(p.errs, errors.New("--property: "+w.Message))
	}
	return avro, errors.Join(append(p.errs, report.Err())...)
}
