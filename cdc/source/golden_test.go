package source_test

import (
	"log/slog"
	"testing"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/golden/replay"
)

// TestGolden replays recordings of the Debezium connector: those in testdata/golden, or in the folder that TANDEM_GOLDEN names.
func TestGolden(t *testing.T) {
	replayer := &replay.Replayer{New: newTask, Validate: validate, Transform: transforms, Kafka: newSignalBroker(t)}
	replayer.Test(t)
}

func newTask(props map[string]string, stored replay.StoredOffset, log *slog.Logger) (replay.Task, error) {
	// ExactlyOnce: the recordings stream, with the metadata of transactions too, whether offsets are stored or not.
	task, err := source.NewTask(props, source.Env{Connector: props["name"], Log: log, ExactlyOnce: true, StoredOffset: stored, ReadSignals: readSignals})
	if err != nil {
		return nil, err // not a Task that holds a nil *source.Task
	}
	return task, nil
}

func validate(props map[string]string) []replay.PropertyErrors {
	var errs []replay.PropertyErrors
	at := make(map[string]int)
	for _, p := range source.Validate(props).Errors {
		i, ok := at[p.Name]
		if !ok {
			i, errs = len(errs), append(errs, replay.PropertyErrors{Property: p.Name})
			at[p.Name] = i
		}
		errs[i].Errors = append(errs[i].Errors, p.Message)
	}
	return errs
}
