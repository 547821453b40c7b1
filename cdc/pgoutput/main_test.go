package pgoutput_test

import (
	"os"
	"testing"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m).Run()) }
