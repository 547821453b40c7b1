package connect

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/config"
)

// Herder is one worker process as the REST API and the command line see it: which connectors there are, what they shall do, and how they are.
// Standalone keeps that in memory; connect/distributed keeps it in topics and shares it with other processes. Methods may be called by any
// goroutine; one that must be answered by another worker returns a *RedirectError.
type Herder interface {
	Config() WorkerConfig
	// ID is the worker's id in statuses, host:port.
	ID() string
	// ClusterID is the id of the Kafka cluster, "" until a broker told it.
	ClusterID() string
	// Listening says on which port the REST API is served: a part of ID. To be called before Run.
	Listening(port int)
	// Run runs connectors and tasks until ctx ends (nil) or the worker cannot go on.
	Run(ctx context.Context) error
	Health(ctx context.Context) Health
	// Metrics is where everything that is measured in this process is asked for.
	Metrics() *metrics.Registry

	Names(ctx context.Context) ([]string, error)
	Info(ctx context.Context, name string) (ConnectorInfo, error)
	Tasks(ctx context.Context, name string) ([]TaskInfo, error)
	Status(name string) (ConnectorStatus, error)
	TaskStatus(id TaskID) (TaskStatus, error)

	// Create validates a configuration and makes a connector of it.
	Create(ctx context.Context, req Request) (ConnectorInfo, error)
	// Put creates a connector or changes its configuration; its state stays what it is.
	Put(ctx context.Context, req Request) (info ConnectorInfo, created bool, err error)
	// Patch changes options; nil removes one.
	Patch(ctx context.Context, name string, changes map[string]*string) (ConnectorInfo, error)
	// Delete stops a connector in order and forgets it. Its offsets stay: created again under the name, it goes on.
	Delete(ctx context.Context, name string) error
	// SetTarget says what a connector shall do: Running, Paused or Stopped.
	SetTarget(ctx context.Context, name string, target State) error
	RestartConnector(ctx context.Context, name string) error
	// Restart restarts a connector and tasks of it, as the plan says, and returns the status in which those show RESTARTING.
	Restart(ctx context.Context, name string, plan Restart) (ConnectorStatus, error)
	RestartTask(ctx context.Context, id TaskID) error

	Offsets(ctx context.Context, name string) ([]PartitionOffset, error)
	// AlterOffsets changes the offsets of a stopped connector; one without offset is reset. The message says what was done.
	AlterOffsets(ctx context.Context, name string, offsets []PartitionOffset) (message string, err error)
	ResetOffsets(ctx context.Context, name string) (message string, err error)
	Topics(name string) ([]string, error)
	ResetTopics(ctx context.Context, name string) error

	// Plugins lists every plugin, connectors first.
	Plugins() []PluginInfo
	// PluginConfig tells which options a plugin has; version is a range, "latest" any.
	PluginConfig(ctx context.Context, plugin, version string) ([]config.Definition, error)
	// Validate tells what a configuration means and what is wrong with it.
	Validate(ctx context.Context, req Request) (ConfigInfos, error)

	Loggers(ctx context.Context) []LoggerLevel
	Logger(ctx context.Context, name string) (LoggerLevel, bool)
	// SetLogger changes the level of a logger and of those below it, in all workers of the cluster if asked, and returns the names of those that changed.
	SetLogger(ctx context.Context, name, level string, cluster bool) ([]string, error)

	// Others are the other workers that have tasks of the group, as far as this one has heard; by id.
	Others() []OtherWorker
	// Signed are the headers by which a request with such a body is known to come from a worker of the group; none while the group does not sign.
	Signed(ctx context.Context, body []byte) (map[string]string, error)
	// Verify refuses a request that does not come from a worker of the group, or is not known to.
	Verify(ctx context.Context, auth InternalAuth) error

	// PutTaskConfigs and Fence are what workers ask of their leader.
	PutTaskConfigs(ctx context.Context, name string, configs []map[string]string, auth InternalAuth) error
	Fence(ctx context.Context, name string, auth InternalAuth) error
}

// OtherWorker is another worker of the group.
type OtherWorker struct {
	ID  string // in statuses
	URL string // of its REST API
}

// InternalAuth is what a request of another worker is signed with: two headers, and the body they stand for.
type InternalAuth struct {
	Signature []byte // nil: none was given
	Algorithm string
	Body      []byte
}

// HealthState is what GET /health tells.
type HealthState string

// Health states.
const (
	Starting  HealthState = "starting"
	Healthy   HealthState = "healthy"
	Unhealthy HealthState = "unhealthy"
)

// Health is the state of a worker, and a sentence about it.
type Health struct {
	State   HealthState
	Message string
}

// Texts of Health.
const (
	startingMessage = "Worker is still starting up."
	healthyMessage  = "Worker has completed startup and is ready to handle requests."
)

// HealthOf is the health of a worker that has come up, or has not.
func HealthOf(ready bool) Health {
	if ready {
		return Health{Healthy, healthyMessage}
	}
	return Health{Starting, startingMessage}
}

// Restart says what POST /connectors/{connector}/restart restarts.
type Restart struct {
	OnlyFailed   bool // only what is FAILED
	IncludeTasks bool
}

// Plan is what a restart concerns in a status: the same one with RESTARTING in place of the states of what is restarted.
func (r Restart) Plan(s ConnectorStatus) (planned ConnectorStatus, connector bool, tasks []TaskID) {
	planned = s
	planned.Tasks = append([]TaskStatus(nil), s.Tasks...)
	if connector = !r.OnlyFailed || s.Connector.State == Failed; connector {
		planned.Connector.State = Restarting
	}
	if r.IncludeTasks {
		for i, t := range planned.Tasks {
			if !r.OnlyFailed || t.State == Failed {
				planned.Tasks[i].State = Restarting
				tasks = append(tasks, TaskID{s.Name, t.ID})
			}
		}
	}
	return planned, connector, tasks
}

// LoggerLevel is the level of one logger.
type LoggerLevel struct {
	Name     string
	Level    string
	Modified time.Time // zero: since the start
}

// RedirectError says that another worker must answer: the leader, or the one that a connector or task is assigned to. URL is that of its REST API.
type RedirectError struct{ URL string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("another worker must answer this request: %s", e.URL)
}

// Retriable is false: it is the request that must go elsewhere.
func (e *RedirectError) Retriable() bool { return false }

// Listener hears what happens to the connectors and tasks that a Worker runs. The calls for one of them come in order; they come from several
// goroutines and must not call the Worker.
type Listener interface {
	ConnectorState(name string, s InstanceStatus)
	TaskState(id TaskID, s InstanceStatus)
	// TopicUsed tells that a task wrote to a topic or read from it, once until Worker.ForgetTopics.
	TopicUsed(id TaskID, topic string)
	// TasksChanged asks to divide the work of a connector anew.
	TasksChanged(name string)
}

// OffsetStore keeps source offsets: in a file, or in a topic. Partitions and offsets are JSON texts, partitions compared byte by byte as Kafka
// Connect does. Methods may be called by any goroutine.
type OffsetStore interface {
	// Get returns the offset of a source partition of a connector, nil when there is none.
	Get(ctx context.Context, connector string, partition []byte) ([]byte, error)
	// Put makes offsets durable before it returns, all or none where the store can. A nil offset resets a partition.
	Put(ctx context.Context, connector string, offsets ...PartitionOffset) error
	// List returns all that is stored for a connector.
	List(ctx context.Context, connector string) ([]PartitionOffset, error)
}

// PartitionOffset is one offset of a source, or of a partition of a topic that a sink consumes; both are JSON objects.
type PartitionOffset struct{ Partition, Offset []byte }
