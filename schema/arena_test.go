package schema

import "testing"

// TestRoom: memory that was taken back is handed out again, as null Values, and what one round did not need goes.
func TestRoom(t *testing.T) {
	room := NewRoom()
	s := &Schema{Type: Struct, Fields: []Field{{Name: "a", Schema: Of(String)}}}
	fill := func(n int) *StructValue {
		room.Reset()
		var first *StructValue
		for range n {
			v := room.Struct(s)
			if !v.Values[0].IsNull() {
				t.Fatal("a new struct of a room has a value")
			}
			v.Values[0] = OfString(room.Text([]byte("text")))
			if first == nil {
				first = v
			}
		}
		return first
	}
	first := fill(10)
	if again := fill(10); again != first {
		t.Error("the memory of a room is not used again")
	}
	if n := testing.AllocsPerRun(10, func() { fill(1000) }); n > 0 {
		t.Errorf("a filled room allocates %v times a round, want 0", n)
	}
	fill(100 * valuesPerRoomBlock)
	fill(1)
	fill(1)
	if n := len(room.room.values.all); n > 3 {
		t.Errorf("a room keeps %d blocks where one is used", n)
	}
}
