package connect

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tandem-cdc/tandem/internal/config"
)

// TestLongValidation has the database of one connector not answer: the others are not held up by that.
func TestLongValidation(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	entered, release := make(chan struct{}), make(chan struct{})
	b.worker.plugins.Sources[0].Check = func(_ context.Context, props map[string]string) config.Report {
		if props["database"] == "silent" {
			entered <- struct{}{}
			<-release
		}
		return config.Report{}
	}
	b.start(t)
	ended := make(chan error, 1)
	go func() {
		_, err := b.Create(t.Context(), Request{Name: "slow", Config: map[string]string{"connector.class": "Counter", "topic": "x", "database": "silent"}})
		ended <- err
	}()
	<-entered
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	for _, target := range []State{Paused, Running, Stopped} {
		if err := b.SetTarget(t.Context(), "count", target); err != nil {
			t.Fatal(err)
		}
	}
	// What is created meanwhile under the name is there first.
	if _, err := b.Create(t.Context(), Request{Name: "slow", Config: map[string]string{"connector.class": "Counter", "topic": "x"}}); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-ended; err == nil || err.Error() != "Connector slow already exists" {
		t.Errorf("Create of one that was created while it was validated = %v", err)
	}
}

// TestPatchMeanwhile changes a connector between the validation of a patch and the patch: neither change is lost.
func TestPatchMeanwhile(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	entered, release := make(chan struct{}, 10), make(chan struct{})
	b.worker.plugins.Sources[0].Check = func(_ context.Context, props map[string]string) config.Report {
		if props["wait"] != "" {
			entered <- struct{}{}
			<-release
		}
		return config.Report{}
	}
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	text := func(s string) *string { return &s }
	ended := make(chan error, 1)
	go func() {
		_, err := b.Patch(t.Context(), "count", map[string]*string{"wait": text("yes")})
		ended <- err
	}()
	<-entered
	if _, err := b.Patch(t.Context(), "count", map[string]*string{"other": text("1")}); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	info, err := b.Info(t.Context(), "count")
	if err != nil || info.Config["wait"] != "yes" || info.Config["other"] != "1" {
		t.Errorf("configuration after two patches = %v, %v", info.Config, err)
	}
}

// TestResumeOfAChangedOne changes the configuration of a paused connector: its tasks have the new one when it is resumed.
func TestResumeOfAChangedOne(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.worker.plugins.Sources[0].TaskConfigs = func(props map[string]string, most int) ([]map[string]string, error) {
		configs := make([]map[string]string, most)
		for n := range configs {
			configs[n] = props
		}
		return configs, nil
	}
	b.start(t)
	req := counterConfig()
	if _, err := b.Create(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "RUNNING 0:RUNNING")
	if err := b.SetTarget(t.Context(), "count", Paused); err != nil {
		t.Fatal(err)
	}
	req.Config["tasks.max"] = "3"
	if _, _, err := b.Put(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "PAUSED 0:PAUSED") // those there are, as in Kafka Connect
	if err := b.SetTarget(t.Context(), "count", Running); err != nil {
		t.Fatal(err)
	}
	waitStates(t, b, "count", "RUNNING 0:RUNNING 1:RUNNING 2:RUNNING")
	tasks, err := b.Tasks(t.Context(), "count")
	if err != nil || len(tasks) != 3 || tasks[0].Config["tasks.max"] != "3" {
		t.Errorf("Tasks = %v, %v; want three with tasks.max=3", tasks, err)
	}
}

func TestCheckPrimitive(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`null`, ""},
		{`{"a":1,"b":"x","c":true,"d":null,"e":1.5e300,"f":-9223372036854775808}`, ""},
		{`{"a":1,"b":[1]}`, "Offsets may only contain primitive types as values, but field b contains ARRAY"},
		{`{"a": {"b":1}}`, "Offsets may only contain primitive types as values, but field a contains MAP"},
		{`{"a":9223372036854775808}`, "Offsets may only contain primitive types as values, but field a contains class java.math.BigInteger"},
	} {
		got := ""
		if err := checkPrimitive([]byte(c.json)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("checkPrimitive(%s) = %q, want %q", c.json, got, c.want)
		}
	}
}

// TestTopicRulesFailOne has what the connector of the real worker failed of: the first of what is wrong, by the last name of the option.
func TestTopicRulesFailOne(t *testing.T) {
	for _, c := range []struct{ replication, partitions, include, want string }{
		{"x", "0", ".*", "Invalid value x for configuration topic.creation.default.replication.factor: Not a number of type SHORT"},
		{"1", "0", ".*", "Invalid value 0 for configuration partitions: Number of partitions must be positive, or -1 to use the broker's default"},
		{"1", "1", "(", "Invalid value [(] for configuration include: Syntax error in regular expression: Unclosed group near index 1\n("},
	} {
		b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
		b.start(t)
		req := counterConfig()
		req.Config["topic.creation.groups"] = "a"
		req.Config["topic.creation.default.replication.factor"] = c.replication
		req.Config["topic.creation.default.partitions"] = c.partitions
		req.Config["topic.creation.a.include"] = c.include
		if _, err := b.Create(t.Context(), req); err == nil || err.Error() != c.want {
			t.Errorf("Create with %+v = %v", c, err)
		}
	}
}
