package distributed

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func hexBytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What Kafka Connect 4.3.1 makes of the same states and assignments.
const (
	javaLeader     = "00066c6561642d31000e687474703a2f2f6c3a383038332f000000000000002a"
	javaAssigned   = "0000000300016100000003ffffffff0000000000000002000362c3a900000001ffffffff0001630000000100000001"
	javaRevoked    = "0000000100016400000002ffffffff00000000"
	javaAssignment = "00010000" + javaLeader + javaAssigned + javaRevoked + "000004d2"
	javaState      = "000e687474703a2f2f773a383038332f0000000000000007"
)

func javaExample(version int16) *assignment {
	return &assignment{version: version, leader: "lead-1", leaderURL: "http://l:8083/", offset: 42,
		assigned: []unit{{Connector: "a", Task: connectorTask}, {Connector: "a", Task: 0}, {Connector: "a", Task: 2}, {Connector: "bé", Task: connectorTask}, {Connector: "c", Task: 1}},
		revoked:  []unit{{Connector: "d", Task: connectorTask}, {Connector: "d", Task: 0}}, delay: 1234 * time.Millisecond}
}

func TestStateAsJava(t *testing.T) {
	empty := &assignment{version: 2, failure: configMismatch, leader: "lead-1", leaderURL: "http://l:8083/", offset: 42}
	for name, c := range map[string]struct {
		state workerState
		hex   string
	}{
		"version 0":                    {workerState{0, "http://w:8083/", 7, nil}, "0000" + javaState},
		"version 1":                    {workerState{1, "http://w:8083/", 7, javaExample(1)}, "0001" + javaState + "0000006a" + javaAssignment},
		"version 2 without assignment": {workerState{2, "http://w:8083/", 7, nil}, "0002" + javaState + "ffffffff"},
		"version 2 with an empty one":  {workerState{2, "http://w:8083/", 7, empty}, "0002" + javaState + "00000030" + "00020001" + javaLeader + "000000000000000000000000"},
	} {
		if got := hex.EncodeToString(appendState(nil, &c.state)); got != c.hex {
			t.Errorf("%s: appendState = %s, want %s", name, got, c.hex)
		}
		got, err := decodeState(hexBytes(t, c.hex))
		if err != nil {
			t.Errorf("%s: decodeState = %v", name, err)
			continue
		}
		if diff := cmp.Diff(&c.state, got, cmp.AllowUnexported(workerState{}, assignment{})); diff != "" {
			t.Errorf("%s: decodeState (-want +got):\n%s", name, diff)
		}
	}
}

func TestAssignmentAsJava(t *testing.T) {
	eager := &assignment{leader: "lead-1", leaderURL: "http://l:8083/", offset: 42, assigned: []unit{{Connector: "a", Task: connectorTask}, {Connector: "a", Task: 0}, {Connector: "b", Task: 1}}}
	for name, c := range map[string]struct {
		a   *assignment
		hex string
	}{
		"version 0":       {eager, "00000000" + javaLeader + "0000000200016100000002ffffffff000000000001620000000100000001"},
		"version 0 empty": {&assignment{leader: "lead-1", leaderURL: "http://l:8083/", offset: 42}, "00000000" + javaLeader + "00000000"},
		"version 1":       {javaExample(1), javaAssignment},
	} {
		if got := hex.EncodeToString(appendAssignment(nil, c.a)); got != c.hex {
			t.Errorf("%s: appendAssignment = %s, want %s", name, got, c.hex)
		}
		got, err := decodeAssignment(hexBytes(t, c.hex))
		if err != nil {
			t.Errorf("%s: decodeAssignment = %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.a, got, cmp.AllowUnexported(assignment{})); diff != "" {
			t.Errorf("%s: decodeAssignment (-want +got):\n%s", name, diff)
		}
	}
}

// What ends before the arrays, or has null in their place, has nothing assigned; what ends elsewhere is damaged.
func TestAssignmentTruncated(t *testing.T) {
	whole := hexBytes(t, javaAssignment)
	head := len(hexBytes(t, "00010000"+javaLeader))
	mid, revoked := head+len(javaAssigned)/2, head+len(javaAssigned)/2+len(javaRevoked)/2
	for n := range whole {
		_, err := decodeAssignment(whole[:n])
		if fine := n == head || n == mid || n == revoked; (err == nil) != fine {
			t.Errorf("decodeAssignment of %d of %d bytes = %v, success is wanted to be %v", n, len(whole), err, fine)
		}
	}
	null := hexBytes(t, "00010000"+javaLeader+"ffffffff"+"ffffffff"+"00000000")
	if a, err := decodeAssignment(null); err != nil || len(a.assigned)+len(a.revoked) > 0 {
		t.Errorf("decodeAssignment of null arrays = %+v, %v, want nothing assigned", a, err)
	}
	for _, bad := range []string{"ffff0000", "00010000" + javaLeader + "fffffffe", "00010000" + javaLeader + "00000001000161fffffffe",
		"00010000" + javaLeader + "0000000100016100000001fffffffe", "00000000" + javaLeader} {
		if a, err := decodeAssignment(hexBytes(t, bad)); err == nil {
			t.Errorf("decodeAssignment(%s) = %+v, want an error", bad, a)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte{})
	f.Add(hexBytes(f, "0000"+javaState))
	f.Add(hexBytes(f, "0002"+javaState+"ffffffff"))
	f.Add(hexBytes(f, "0001"+javaState+"0000006a"+javaAssignment))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := decodeState(appendState(nil, s))
		if err != nil {
			t.Fatalf("decodeState of what it was encoded to = %v", err)
		}
		if diff := cmp.Diff(canonicalState(s), canonicalState(again), cmp.AllowUnexported(workerState{}, assignment{})); diff != "" {
			t.Errorf("decodeState of what it was encoded to (-want +got):\n%s", diff)
		}
	})
}

func FuzzDecodeAssignment(f *testing.F) {
	f.Add([]byte{})
	f.Add(hexBytes(f, javaAssignment))
	f.Add(hexBytes(f, "00000000"+javaLeader+"00000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAssignment(b)
		if err != nil {
			return
		}
		again, err := decodeAssignment(appendAssignment(nil, a))
		if err != nil {
			t.Fatalf("decodeAssignment of what it was encoded to = %v", err)
		}
		if diff := cmp.Diff(canonical(a), canonical(again), cmp.AllowUnexported(assignment{})); diff != "" {
			t.Errorf("decodeAssignment of what it was encoded to (-want +got):\n%s", diff)
		}
	})
}

func canonicalState(s *workerState) *workerState {
	c := *s
	if s.current != nil {
		c.current = canonical(s.current)
	}
	return &c
}

// canonical puts the units in the order they are written in.
func canonical(a *assignment) *assignment {
	c := *a
	c.assigned, _ = decodeOrder(a.assigned)
	c.revoked, _ = decodeOrder(a.revoked)
	return &c
}

func decodeOrder(list []unit) ([]unit, error) {
	d := &decoder{rest: appendUnits(nil, list)}
	return d.units(false), d.err
}
