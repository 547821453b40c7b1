package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/compare"
)

var compareCommand = command{
	name:    "compare",
	summary: "compare the tables of two databases, row by row if need be",
	usage:   "--source URL --target URL [--schema S,…] [--table S.T,…]",
	text: `Has both servers compute a checksum over all rows and columns of every table, and prints a line a table: rows in source,
rows in target, equal by checksum. Where tables differ, the rows and columns that do are named, with the values of both
sides. The exit code is 0 when all are equal and 1 when not.

URLs are those of psql: postgres://user:password@host:5432/database. The target may have other types, columns in
another order, and columns and tables of its own. Generated columns are left out.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		var opts compare.Options
		var schemas, tables string
		flags.StringVar(&opts.Source, "source", "", "`URL` the database that is right")
		flags.StringVar(&opts.Target, "target", "", "`URL` the database that should hold the same")
		flags.StringVar(&schemas, "schema", "", "`NAMES` only these schemas of the source, separated by commas")
		flags.StringVar(&tables, "table", "", "`NAMES` only these tables of the source, as schema.table, separated by commas")
		flags.StringVar(&opts.TargetTable, "target-table", compare.SameName, "`NAME` what a table of the source is called in the target")
		flags.IntVar(&opts.MaxRows, "max-rows", 20, "`N` name at most N differing rows of a table")
		return func(ctx context.Context, c *console, args []string) error {
			if err := noArguments("compare", args); err != nil {
				return err
			}
			if opts.Source == "" || opts.Target == "" {
				return errors.New("compare: --source and --target are needed. See \"tandem compare --help\"")
			}
			opts.Schemas, opts.Tables = splitNames(schemas), splitNames(tables)
			return runCompare(ctx, c, opts)
		}
	},
}

func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// runCompare compares, prints the table and the differences, and fails when there are any.
func runCompare(ctx context.Context, c *console, opts compare.Options) error {
	tables, err := compare.Run(ctx, opts)
	if err != nil {
		return err
	}
	if err := compare.WriteTable(c.out, tables); err != nil {
		return err
	}
	if compare.Equal(tables) {
		return nil
	}
	fmt.Fprintln(c.out)
	if err := compare.WriteDiff(c.out, tables); err != nil {
		return err
	}
	return &exitError{code: 1, err: errors.New("source and target differ")}
}
