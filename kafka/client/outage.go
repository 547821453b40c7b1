package client

import "log/slog"

// outage says once when brokers go and once when they come back. Its owner guards it.
type outage struct{ on bool }

func (o *outage) began(log *slog.Logger, brokers []string, err error) {
	if !o.on {
		o.on = true
		log.Warn("Kafka is not reachable; trying on", "brokers", brokers, "error", plainText(err))
	}
}

func (o *outage) ended(log *slog.Logger, brokers []string) {
	if o.on {
		o.on = false
		log.Info("Kafka is reachable again", "brokers", brokers)
	}
}
