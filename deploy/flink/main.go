// Command flink runs the statements of a file in the SQL client of Apache Flink, which it fetches from Maven Central, with their jobs within
// the same process. It ends with the last statement; queries over topics have no end, so it is ended with them.
//
//	flink FILE.sql
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: flink FILE.sql")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1])
	interrupted := ctx.Err() != nil
	stop()
	if exit := (*exec.ExitError)(nil); err != nil && !interrupted {
		fmt.Fprintln(os.Stderr, "flink:", err)
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			os.Exit(exit.ExitCode())
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tandem-flink-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd, err := jvmserver.FlinkSQL(ctx, dir, file)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return jvmserver.RunGroup(cmd)
}
