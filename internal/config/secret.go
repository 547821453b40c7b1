package config

import "log/slog"

// Hidden is what a Secret prints; it is Kafka Connect's text.
const Hidden = "[hidden]"

// Secret is text that no log, error or JSON document shows. Reveal is the only way to it.
type Secret string

func (Secret) String() string               { return Hidden }
func (Secret) GoString() string             { return Hidden }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Hidden + `"`), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(Hidden) }

// Reveal returns the text, to be handed to a server and nowhere else.
func (s Secret) Reveal() string { return string(s) }
