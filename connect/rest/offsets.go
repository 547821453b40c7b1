package rest

import (
	"encoding/json"
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

// offsetsBody is Kafka Connect's ConnectorOffsets.
type offsetsBody struct {
	Offsets []*offsetBody `json:"offsets"`
}

type offsetBody struct {
	Partition json.RawMessage `json:"partition"`
	Offset    json.RawMessage `json:"offset"`
}

func (b *offsetsBody) UnmarshalJSON(raw []byte) error {
	return decodeFields(raw, map[string]any{"offsets": &b.Offsets})
}

func (b *offsetBody) UnmarshalJSON(raw []byte) error {
	return decodeFields(raw, map[string]any{"partition": &b.Partition, "offset": &b.Offset})
}

type messageBody struct {
	Message string `json:"message"`
}

// getOffsets is GET /connectors/{connector}/offsets.
func (a *api) getOffsets(c *call) (answer, error) {
	offsets, err := a.herder.Offsets(c.Context(), c.name)
	body := offsetsBody{Offsets: []*offsetBody{}}
	for _, o := range offsets {
		body.Offsets = append(body.Offsets, &offsetBody{o.Partition, o.Offset})
	}
	return answer{status: http.StatusOK, body: body}, err
}

// alterOffsets is PATCH /connectors/{connector}/offsets.
func (a *api) alterOffsets(c *call) (answer, error) {
	var body *offsetsBody
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		return answer{}, errNoBody
	}
	if len(body.Offsets) == 0 {
		return answer{}, &connect.RefusedError{Why: connect.Invalid, Message: "Partitions / offsets need to be provided for an alter offsets request"}
	}
	offsets := make([]connect.PartitionOffset, len(body.Offsets))
	for i, o := range body.Offsets {
		if o == nil {
			return answer{}, errNoObject
		}
		offsets[i] = connect.PartitionOffset{Partition: o.Partition, Offset: o.Offset}
		for _, raw := range []json.RawMessage{o.Partition, o.Offset} {
			if !isObject(raw) {
				return answer{}, errNoObject
			}
		}
	}
	message, err := a.herder.AlterOffsets(c.Context(), c.name, offsets)
	return answer{status: http.StatusOK, body: messageBody{message}}, err
}

// resetOffsets is DELETE /connectors/{connector}/offsets.
func (a *api) resetOffsets(c *call) (answer, error) {
	message, err := a.herder.ResetOffsets(c.Context(), c.name)
	return answer{status: http.StatusOK, body: messageBody{message}}, err
}

// isObject tells an object, null or nothing from other JSON values.
func isObject(raw json.RawMessage) bool {
	return len(raw) == 0 || raw[0] == '{' || string(raw) == "null"
}
