package envelope

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/tandem-cdc/tandem/schema"
)

var geographySchema = structure("io.debezium.data.geometry.Geography", 1, "Geography", field("wkb", bytesSchema), field("srid", optionalInt32))

// emptyCollection is GEOMETRYCOLLECTION EMPTY, the fallback of both PostGIS types.
const emptyCollection = "010700000000000000"

// postgisPlan: geometry and geography of PostGIS. The bytes are the server's extended WKB as it stands; srid is null when it has none.
func postgisPlan(name string) *typePlan {
	tp := &typePlan{schema: geometrySchema, nullable: true}
	extensions := true
	if name == "geography" {
		tp.schema, extensions = geographySchema, false
	}
	tp.write = func(s *scratch, text []byte, w schema.Writer) error {
		ewkb, err := hex.AppendDecode(s.buf[:0], text)
		s.buf = ewkb
		if err != nil {
			return errMalformed
		}
		srid, ok := sridOf(ewkb)
		if !ok {
			return errMalformed
		}
		w.BeginStruct()
		w.Bytes(ewkb)
		writeIf(w, srid != 0, int64(srid))
		if extensions {
			w.Null()
		}
		w.EndStruct()
		return nil
	}
	tp.fallback = defaultOf(tp, emptyCollection)
	return tp
}

// sridOf reads the reference system of extended WKB: byte order, type with the flag 0x20000000, and the number behind it when the flag
// is set. PostGIS, "doc/ZMSgeoms.txt".
func sridOf(ewkb []byte) (srid int32, ok bool) {
	const hasSRID = 0x20000000
	if len(ewkb) < 5 || ewkb[0] > 1 {
		return 0, false
	}
	var order binary.ByteOrder = binary.BigEndian
	if ewkb[0] == 1 {
		order = binary.LittleEndian
	}
	if order.Uint32(ewkb[1:])&hasSRID == 0 {
		return 0, true
	}
	if len(ewkb) < 9 {
		return 0, false
	}
	return int32(order.Uint32(ewkb[5:])), true
}
