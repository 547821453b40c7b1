package filestream

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func newSink(t *testing.T, file string, stdout *strings.Builder) *SinkTask {
	t.Helper()
	env := SinkEnv{Log: slog.New(slog.DiscardHandler)}
	if stdout != nil {
		env.Stdout = stdout
	}
	task, err := NewSinkTask(map[string]string{"file": file}, env)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func record(partition int32, offset int64, s *schema.Schema, v schema.Value) sink.Record {
	return sink.Record{Topic: "routed", Partition: partition + 10, Offset: offset, ValueSchema: s, Value: v, Raw: &kafka.Record{Topic: "letters", Partition: partition}}
}

func open(t *testing.T, task *SinkTask, partitions ...int32) {
	t.Helper()
	var given []sink.Assignment
	for _, p := range partitions {
		given = append(given, sink.Assignment{TopicPartition: kafka.TopicPartition{Topic: "letters", Partition: p}})
	}
	if positions, err := task.Open(t.Context(), given); err != nil || positions != nil {
		t.Fatalf("Open() = %v, %v, want none of its own", positions, err)
	}
}

func closing(t *testing.T, task *SinkTask, partitions ...int32) {
	t.Helper()
	var given []kafka.TopicPartition
	for _, p := range partitions {
		given = append(given, kafka.TopicPartition{Topic: "letters", Partition: p})
	}
	if err := task.Close(t.Context(), given); err != nil {
		t.Fatalf("Close() = %v", err)
	}
}

func TestSinkAppends(t *testing.T) {
	file := filepath.Join(t.TempDir(), "paper.out")
	if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	task := newSink(t, file, nil)
	open(t, task, 0, 1)
	row := schema.Of(schema.Struct)
	row.Fields = []schema.Field{{Name: "id", Schema: schema.Of(schema.Int32)}, {Name: "note", Schema: schema.Of(schema.String).AsOptional()}}
	err := task.Put(t.Context(), []sink.Record{
		record(0, 5, schema.Of(schema.String), schema.OfString("grüße")),
		record(1, 8, nil, schema.NullValue),
		record(0, 6, row, schema.OfStruct(&schema.StructValue{Schema: row, Values: []schema.Value{schema.OfInt(schema.Int32, 3), schema.NullValue}})),
		record(1, 9, schema.Of(schema.Float64), schema.OfFloat64(100)),
	})
	if err != nil {
		t.Fatal(err)
	}
	positions, err := task.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(positions, func(a, b kafka.Position) int { return int(a.Partition - b.Partition) })
	want := []kafka.Position{
		{TopicPartition: kafka.TopicPartition{Topic: "letters", Partition: 0}, Offset: 7},
		{TopicPartition: kafka.TopicPartition{Topic: "letters", Partition: 1}, Offset: 10},
	}
	if diff := cmp.Diff(want, positions); diff != "" {
		t.Errorf("Flush() (-want +got)\n%s", diff)
	}
	closing(t, task, 1)
	if err := task.Put(t.Context(), []sink.Record{record(0, 7, nil, schema.OfBool(true))}); err != nil {
		t.Fatal(err)
	}
	if positions, err := task.Flush(t.Context()); err != nil || len(positions) != 1 || positions[0].Offset != 8 {
		t.Errorf("Flush() after partition 1 was closed = %v, %v", positions, err)
	}
	closing(t, task, 0)
	if task.file != nil {
		t.Error("the file is open after the last partition was closed")
	}
	got, err := os.ReadFile(file)
	if want := "before\ngrüße\nnull\nStruct{id=3}\n100.0\ntrue\n"; err != nil || string(got) != want {
		t.Errorf("the file holds %q, %v, want %q", got, err, want)
	}
	open(t, task, 0) // given back
	if err := task.Put(t.Context(), nil); err != nil {
		t.Errorf("Put of nothing = %v", err)
	}
	closing(t, task, 0)
}

func TestSinkToStandardOutput(t *testing.T) {
	var out strings.Builder
	task := newSink(t, "", &out)
	open(t, task, 0)
	if err := task.Put(t.Context(), []sink.Record{record(0, 0, nil, schema.OfString("hello"))}); err != nil {
		t.Fatal(err)
	}
	if positions, err := task.Flush(t.Context()); err != nil || len(positions) != 1 {
		t.Errorf("Flush() = %v, %v", positions, err)
	}
	closing(t, task, 0)
	if out.String() != "hello\n" {
		t.Errorf("standard output got %q", out.String())
	}
}

func TestSinkCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "x.out")
	_, err := NewSinkTask(map[string]string{"file": file}, SinkEnv{})
	var open *OpenError
	if !errors.As(err, &open) || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("NewSinkTask below a missing folder = %v, want an *OpenError of a file that does not exist", err)
	}
	class, message := open.Exception()
	if want := "Couldn't find or create file '" + file + "' for FileStreamSinkTask"; class != "org.apache.kafka.connect.errors.ConnectException" || message != want {
		t.Errorf("Exception() = %q, %q, want %q", class, message, want)
	}
	full, err := NewSinkTask(map[string]string{"file": "/dev/full"}, SinkEnv{})
	if err != nil {
		t.Logf("there is no /dev/full here: %v", err)
		return
	}
	if _, err := full.Open(t.Context(), []sink.Assignment{{}}); err != nil {
		t.Fatal(err)
	}
	if err := full.Put(t.Context(), []sink.Record{record(0, 0, nil, schema.OfString("x"))}); err == nil || !strings.Contains(err.Error(), `append 1 lines to file "/dev/full"`) {
		t.Errorf("Put on a full device = %v", err)
	}
	if err := full.Close(t.Context(), []kafka.TopicPartition{{}}); err != nil {
		t.Error(err)
	}
}
