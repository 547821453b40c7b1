package envelope

import "time"

var (
	heartbeatKeySchema = structure("io.debezium.connector.common.ServerNameKey", 1, "", field("serverName", stringSchema))
	heartbeatSchema    = structure("io.debezium.connector.common.Heartbeat", 1, "", field("ts_ms", int64Schema))
)

// Heartbeat writes a heartbeat record, always to partition 0.
func (e *Encoder) Heartbeat(at time.Time) (records int, err error) {
	handle, err := e.openAt(&e.heartbeatHandle, e.topics.heartbeat(), 0, heartbeatKeySchema, heartbeatSchema, nil)
	if err != nil {
		return 0, err
	}
	key, w := e.out.Begin(handle)
	key.BeginStruct()
	key.String(e.cfg.TopicPrefix)
	key.EndStruct()
	w.BeginStruct()
	w.Int(at.UnixMilli())
	w.EndStruct()
	return 1, e.out.End(nil)
}
