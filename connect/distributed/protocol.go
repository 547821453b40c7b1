package distributed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// The group protocols, by the names that members offer, preferred first. All of a group's members have one in common, or a member is refused.
const (
	protocolSessioned  = "sessioned"  // version 2: as 1, and requests between workers are signed
	protocolCompatible = "compatible" // version 1: incremental and cooperative
	protocolEager      = "default"    // version 0: everything stops for a round
)

// versionOf is the version of what the members of a protocol tell each other.
func versionOf(protocol string) int16 {
	switch protocol {
	case protocolSessioned:
		return 2
	case protocolCompatible:
		return 1
	}
	return 0
}

// connectorTask is the task number that stands for the connector itself.
const connectorTask = -1

// unit is what is assigned: a task, or a connector (with connectorTask).
type unit = connect.TaskID

// units is a set of them.
type units map[unit]struct{}

func unitsOf(list ...unit) units {
	u := make(units, len(list))
	for _, x := range list {
		u[x] = struct{}{}
	}
	return u
}

func (u units) has(x unit) bool { _, ok := u[x]; return ok }

// sorted lists connectors before their tasks.
func (u units) sorted() []unit {
	list := make([]unit, 0, len(u))
	for x := range u {
		list = append(list, x)
	}
	slices.SortFunc(list, compareUnits)
	return list
}

func compareUnits(a, b unit) int {
	switch {
	case a.Connector < b.Connector:
		return -1
	case a.Connector > b.Connector:
		return 1
	}
	return a.Task - b.Task
}

// workerState is what a worker says of itself when it joins.
type workerState struct {
	version int16
	url     string // of its REST API
	offset  int64  // of the config topic, as far as it has read it
	current *assignment
}

// Errors of an assignment.
const (
	assigned       int16 = 0
	configMismatch int16 = 1 // the leader could not read the config topic as far as a member had
)

// assignment is what the leader tells a worker.
type assignment struct {
	version   int16
	failure   int16
	leader    string // member id
	leaderURL string
	offset    int64 // of the config topic, by which the leader divided
	assigned  []unit
	revoked   []unit
	delay     time.Duration // until everybody joins again
}

// appendState encodes a state.
//
// Version 0: Int16 version | String url | Int64 offset. Versions 1 and 2 add: NullableBytes current assignment.
func appendState(dst []byte, s *workerState) []byte {
	dst = appendInt16(dst, s.version)
	dst = appendString(dst, s.url)
	dst = appendInt64(dst, s.offset)
	if s.version == 0 {
		return dst
	}
	if s.current == nil {
		return appendInt32(dst, -1)
	}
	at := len(dst)
	dst = appendAssignment(appendInt32(dst, 0), s.current)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendAssignment encodes an assignment.
//
// Version 0: Int16 version | Int16 error | String leader | String leader's url | Int64 offset | Array of (String connector | Array of Int32
// task). Versions 1 and 2 add: a second such array, of what is revoked | Int32 delay in ms; their arrays may be null.
func appendAssignment(dst []byte, a *assignment) []byte {
	dst = appendInt16(dst, a.version)
	dst = appendInt16(dst, a.failure)
	dst = appendString(dst, a.leader)
	dst = appendString(dst, a.leaderURL)
	dst = appendInt64(dst, a.offset)
	dst = appendUnits(dst, a.assigned)
	if a.version == 0 {
		return dst
	}
	dst = appendUnits(dst, a.revoked)
	return appendInt32(dst, int32(min(a.delay.Milliseconds(), math.MaxInt32)))
}

func appendUnits(dst []byte, list []unit) []byte {
	list = slices.Clone(list)
	slices.SortFunc(list, compareUnits)
	count := len(dst)
	dst = appendInt32(dst, 0)
	groups := int32(0)
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Connector == list[0].Connector {
			n++
		}
		dst = appendString(dst, list[0].Connector)
		dst = appendInt32(dst, int32(n))
		for _, x := range list[:n] {
			dst = appendInt32(dst, int32(x.Task))
		}
		list = list[n:]
		groups++
	}
	binary.BigEndian.PutUint32(dst[count:], uint32(groups))
	return dst
}

func appendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }
func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }
func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// appendString writes Int16 length | bytes. Names and URLs are far shorter than an Int16 allows: a connector's name is a record's key.
func appendString(dst []byte, s string) []byte {
	s = s[:min(len(s), math.MaxInt16)]
	return append(appendInt16(dst, int16(len(s))), s...)
}

// errShort: the bytes end too early.
var errShort = errors.New("unexpected end")

// decoder reads Kafka's primitive types; after the first error everything is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) take(n int) []byte {
	if d.err == nil && (n < 0 || n > len(d.rest)) {
		d.err = errShort
	}
	if d.err != nil {
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) string() string { return string(d.take(int(d.int16()))) }

// units reads the arrays of an assignment. Missing and null ones are empty where the version lets them be.
func (d *decoder) units(optional bool) []unit {
	if optional && d.err == nil && len(d.rest) == 0 {
		return nil
	}
	groups := d.int32()
	if groups < 0 && !(optional && groups == -1) {
		d.fail("an array of %d connectors", groups)
	}
	var list []unit
	for ; groups > 0 && d.err == nil; groups-- {
		name := d.string()
		tasks := d.int32()
		if tasks < 0 {
			d.fail("connector %q with %d tasks", name, tasks)
		}
		for ; tasks > 0 && d.err == nil; tasks-- {
			task := d.int32()
			if task < connectorTask {
				d.fail("connector %q with task %d", name, task)
			}
			if d.err == nil {
				list = append(list, unit{Connector: name, Task: int(task)})
			}
		}
	}
	return list
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// decodeState reads what another worker says of itself. Bytes behind the end belong to later versions.
func decodeState(b []byte) (*workerState, error) {
	d := &decoder{rest: b}
	s := &workerState{version: d.int16()}
	if s.version < 0 {
		d.fail("version %d", s.version)
	}
	s.url, s.offset = d.string(), d.int64()
	if s.version > 0 && d.err == nil && len(d.rest) > 0 {
		if n := d.int32(); n >= 0 {
			current, err := decodeAssignment(d.take(int(n)))
			if d.err == nil && err != nil {
				d.err = err
			}
			s.current = current
		} else if n != -1 {
			d.fail("an assignment of %d bytes", n)
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode the state of a worker: %w", d.err)
	}
	return s, nil
}

// decodeAssignment reads what a leader, or a worker of its own, assigned.
func decodeAssignment(b []byte) (*assignment, error) {
	d := &decoder{rest: b}
	a := &assignment{version: d.int16()}
	if a.version < 0 {
		d.fail("version %d", a.version)
	}
	a.failure, a.leader, a.leaderURL, a.offset = d.int16(), d.string(), d.string(), d.int64()
	a.assigned = d.units(a.version > 0)
	if a.version > 0 && len(d.rest) > 0 {
		a.revoked = d.units(true)
	}
	if a.version > 0 && len(d.rest) > 0 {
		a.delay = time.Duration(d.int32()) * time.Millisecond
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode an assignment: %w", d.err)
	}
	return a, nil
}
