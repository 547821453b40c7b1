package sqldb

import "github.com/tandem-cdc/tandem/internal/config"

// listing is how Debezium's JDBC sink 3.6 orders its options, and what it says of them to clients of the REST API.
func listing() config.Listing {
	const short, medium, long = config.WidthShort, config.WidthMedium, config.WidthLong
	return config.InGroup("Connector", []config.Listed{
		{Name: "connection.url", Width: long, Default: config.NullDefault},
		{Name: "connection.username", Width: short},
		{Name: "connection.password", Width: short},
		{Name: "connection.pool.min_size", Width: short},
		{Name: "connection.pool.max_size", Width: short},
		{Name: "connection.pool.timeout", Width: short, Type: config.TypeLong},
		{Name: "insert.mode", Width: short},
		{Name: "delete.enabled", Width: short},
		{Name: "truncate.enabled", Width: short},
		{Name: "collection.name.format", Width: medium},
		{Name: "table.name.format", Width: medium, Of: "collection.name.format"},
		{Name: "primary.key.mode", Width: short},
		{Name: "primary.key.fields", Width: medium, Type: config.TypeString},
		{Name: "schema.evolution", Width: short},
		{Name: "quote.identifiers", Width: short},
		{Name: "collection.naming.strategy", Width: long},
		{Name: "table.naming.strategy", Width: long, Of: "collection.naming.strategy"},
		{Name: "column.naming.strategy", Width: long, Type: config.TypeClass},
		{Name: "collection.table.format", Width: long},
		{Name: "use.time.zone", Width: short},
		{Name: "database.time_zone", Width: short, Of: "use.time.zone"},
		{Name: "dialect.postgres.postgis.schema", Width: long},
		{Name: "dialect.postgres.unnest.insert.enabled", Width: short},
		{Name: "dialect.sqlserver.identity.insert", Width: short},
		{Name: "batch.size", Width: short},
		{Name: "field.include.list", Width: long},
		{Name: "field.exclude.list", Width: long},
		{Name: "flush.max.retries", Width: short},
		{Name: "flush.retry.delay.ms", Width: short},
		{Name: "connection.restart.on.errors", Width: short},
		{Name: "cloud.events.schema.name.pattern", Width: long},
	}...)
}
