package envelope_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// unspliced hides that its Writers splice.
type unspliced struct{ *writing }

func (u unspliced) Begin(handle int) (key, value schema.Writer) {
	key, value = u.writing.Begin(handle)
	return key, struct{ schema.Writer }{value}
}

// TestSourcePieces: whatever changes between two rows and whatever does not, the source block is that of the plain way.
func TestSourcePieces(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			spliced, plain := writer(t, f.class, f.props), writer(t, f.class, f.props)
			now := time.Unix(1_700_000_000, 987_654_321)
			cfg := envelope.DefaultConfig()
			cfg.TopicPrefix, cfg.Database, cfg.Now = "p", "shop", func() time.Time { return now }
			var encoders []*envelope.Encoder
			for _, out := range []envelope.Emitter{spliced, unspliced{plain}} {
				e, err := envelope.New(cfg, out, serverTypes)
				if err != nil {
					t.Fatal(err)
				}
				encoders = append(encoders, e)
			}
			var plans [2][2]*envelope.Plan // by table, encoder
			var rels [2]*cdc.Relation
			var row cdc.Tuple
			for i := range plans {
				rel, table, tuple := relation(orders)
				rel.OID, rel.Name = uint32(i+1), []string{"orders", "returns"}[i]
				rels[i], row = rel, tuple
				for k, e := range encoders {
					var err error
					if plans[i][k], err = e.Plan(rel, table); err != nil {
						t.Fatal(err)
					}
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			at := here
			for step := range 3000 {
				changed := vary(r, &at)
				i := r.IntN(8) / 7
				c := cdc.Change{Kind: cdc.Insert, Relation: rels[i], New: row, LSN: at.LSN}
				switch {
				case at.Snapshot != cdc.NotSnapshot:
					c.Kind, c.Snapshot = cdc.Read, at.Snapshot
				case r.IntN(10) == 0:
					c.Kind = cdc.Truncate
				case r.IntN(5) == 0:
					c = cdc.Change{Kind: cdc.Delete, Relation: rels[i], Old: row, OldKind: cdc.OldFull, LSN: at.LSN}
				}
				for k, e := range encoders {
					if _, err := e.Encode(plans[i][k], &c, &at); err != nil {
						t.Fatal(err)
					}
				}
				if got, want := spliced.bufs[1], plain.bufs[1]; !bytes.Equal(got, want) {
					t.Fatalf("step %d, %s, behind a change of %s: value %q, want %q", step, c.Kind, changed, got, want)
				}
			}
		})
	}
}

// vary changes nothing, the LSNs, or something else of where a change stands, and says what.
func vary(r *rand.Rand, at *envelope.Source) string {
	flip := func(b *bool) { *b = !*b }
	switch r.IntN(40) {
	default:
		return "nothing"
	case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15:
		at.LSN += cdc.LSN(r.IntN(1000))
		return "LSN"
	case 16:
		at.LastCommitLSN += cdc.LSN(r.IntN(1000))
		return "LastCommitLSN"
	case 17:
		at.SequenceLSN = cdc.LSN(r.IntN(2))
		return "SequenceLSN"
	case 18:
		at.Micros += cdc.Micros(r.IntN(2000) - 1000)
		return "Micros"
	case 19:
		at.Nanos = int64(r.IntN(1000))
		return "Nanos"
	case 20:
		at.TxID++
		return "TxID"
	case 21:
		flip(&at.HasTx)
		return "HasTx"
	case 22:
		flip(&at.HasLSN)
		return "HasLSN"
	case 23, 24:
		at.Snapshot = []cdc.Marker{cdc.NotSnapshot, cdc.MarkTrue, cdc.MarkTrue, cdc.MarkFirst, cdc.MarkLast}[r.IntN(5)]
		return "Snapshot"
	case 25:
		at.Xmin++
		return "Xmin"
	case 26:
		flip(&at.HasXmin)
		return "HasXmin"
	case 27:
		at.Origin = []string{"", "elsewhere", "far away"}[r.IntN(3)]
		return "Origin"
	case 28:
		at.OriginLSN++
		return "OriginLSN"
	case 29:
		flip(&at.HasOriginLSN)
		return "HasOriginLSN"
	}
}
