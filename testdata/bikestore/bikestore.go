// Package bikestore holds the sample database: the nine tables of a bike shop and their rows.
//
// In: nothing. Out: SQL, for the demonstration and for tests. Both files also run in psql and in the image postgres.
package bikestore

import _ "embed"

// Schema makes the schema store and its tables.
//
//go:embed schema.sql
var Schema string

// Data fills them. The setting bikestore.scale multiplies the rows; without it, or with 1, there are some 9,000.
//
//go:embed data.sql
var Data string
