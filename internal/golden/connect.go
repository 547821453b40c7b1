package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// ConnectEnvironment names another folder of recordings of Kafka Connect than testdata/golden-connect.
const ConnectEnvironment = "TANDEM_GOLDEN_CONNECT"

// ConnectFiles lists the recordings of Kafka Connect that match a pattern, such as "smt/*.jsonl", in the repository's testdata/golden-connect or
// in the folder that TANDEM_GOLDEN_CONNECT names; that one need not have any. root is the way to the top of the repository, such as "../..".
func ConnectFiles(t testing.TB, root, pattern string) []string {
	t.Helper()
	folder, other := os.LookupEnv(ConnectEnvironment)
	if !other {
		folder = filepath.Join(root, "testdata", "golden-connect")
	}
	paths, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatalf("recordings %q: %v", pattern, err)
	}
	if len(paths) == 0 && !other {
		t.Fatalf("recordings %q: no file matches in %s", pattern, folder)
	}
	return paths
}
