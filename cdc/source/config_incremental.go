package source

import (
	"math"

	"github.com/tandem-cdc/tandem/internal/config"
)

// watermarking is how the end of a window is written into the signal table.
type watermarking string

// The values of incremental.snapshot.watermarking.strategy.
const (
	insertInsert watermarking = "insert_insert"
	insertDelete watermarking = "insert_delete"
)

// incrementalConfig holds the options of incremental snapshots.
type incrementalConfig struct {
	chunkSize    int
	watermarking watermarking
	readOnly     bool
	allowChanges bool
}

func defaultIncrementalConfig() incrementalConfig {
	return incrementalConfig{chunkSize: 1024, watermarking: insertInsert}
}

func (c *incrementalConfig) keys() config.Keys {
	return config.Keys{
		config.Int(&c.chunkSize, "incremental.snapshot.chunk.size", "Most rows that an incremental snapshot reads at once.", 1, math.MaxInt32, config.Says("An integer is expected", "An non-negative integer is expected"), config.Group("CONNECTOR_SNAPSHOT")),
		config.Enum(&c.watermarking, "incremental.snapshot.watermarking.strategy", "How the signal table is told that a chunk was read: by another row (insert_insert), or by deleting the row that announced it (insert_delete), "+
			"which keeps the table small.", []watermarking{insertInsert, insertDelete}, config.Group("CONNECTOR_SNAPSHOT"), config.Rank(config.Low)),
		config.Bool(&c.allowChanges, "incremental.snapshot.allow.schema.changes", "Tables may always be altered while an incremental snapshot reads them, so there is nothing to allow.",
			config.Group("CONNECTOR_ADVANCED"), config.Rank(config.Low), config.WithoutEffect()),
		config.Bool(&c.readOnly, "read.only", "Read incremental snapshots without writing into the signal table, so that a standby can be read from. Signals then come from kafka or file.",
			config.Group("CONNECTOR"), config.Rank(config.Low)),
	}
}
