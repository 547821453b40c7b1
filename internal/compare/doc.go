// Package compare tells whether the tables of two PostgreSQL databases hold the same rows.
//
// In: two connection URLs and which tables. Out: per table the number of rows and a checksum on either side, computed by each server over
// all columns, and for tables that differ the rows and columns that do. No goroutines; two connections, closed on return.
//
// Values are compared as their text, with the settings that shape it the same on both sides; types may differ. Generated columns are left
// out, for logical decoding does. The target may have columns and tables of its own.
package compare
