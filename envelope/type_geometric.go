package envelope

import (
	"encoding/binary"
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

// Schemas of PostgreSQL's own geometric types.
var (
	pointSchema = structure("io.debezium.data.geometry.Point", 1, "Geometry (POINT)",
		field("x", float64Schema), field("y", float64Schema), field("wkb", optionalBytes), field("srid", optionalInt32))
	// Debezium makes the fields of these optional, whatever the column says.
	lineSchema = optional(structure("io.debezium.data.geometry.Line", 1, "Geometry (LINE)",
		field("a", float64Schema), field("b", float64Schema), field("c", float64Schema)))
	circleSchema = optional(structure("io.debezium.data.geometry.Circle", 1, "Geometry (CIRCLE)",
		field("center", pointSchema), field("radius", float64Schema)))
	geometrySchema = optional(structure("io.debezium.data.geometry.Geometry", 2, "Geometry",
		field("wkb", bytesSchema), field("srid", optionalInt32), field("extensions", optional(schema.MapOf(stringSchema, stringSchema)))))
)

// Types of well-known binary, OGC 06-103r4 section 8.2.8; the byte order is little-endian.
const (
	wkbPoint      = 1
	wkbLineString = 2
	wkbPolygon    = 3
)

// geometricPlan: point, line, lseg, box, path, polygon and circle. The fallbacks are the smallest valid shapes, as Debezium's.
func geometricPlan(oid uint32) *typePlan {
	switch oid {
	case oidPoint:
		tp := &typePlan{schema: pointSchema, write: readNumbers(2, 2, writePoint)}
		tp.fallback = defaultOf(tp, "(0,0)")
		return tp
	case oidLine:
		tp := &typePlan{schema: lineSchema, write: readNumbers(3, 3, writeLine)}
		tp.fallback = defaultOf(tp, "{0,1,0}")
		return tp
	case oidCircle:
		tp := &typePlan{schema: circleSchema, write: readNumbers(3, 3, writeCircle)}
		tp.fallback = defaultOf(tp, "<(0,0),0>")
		return tp
	case oidLseg:
		return shapePlan("[(0,0),(1,0)]", readNumbers(4, 4, func(s *scratch, _ []byte, w schema.Writer) {
			s.buf = appendLineString(s.buf[:0], s.numbers)
			writeGeometry(w, s.buf, "lseg")
		}))
	case oidBox:
		return shapePlan("(0,0),(1,1)", readNumbers(4, 4, func(s *scratch, _ []byte, w schema.Writer) {
			x1, y1, x2, y2 := s.numbers[0], s.numbers[1], s.numbers[2], s.numbers[3]
			ring := [...]float64{x1, y1, x1, y2, x2, y2, x2, y1, x1, y1}
			s.buf = appendPolygon(s.buf[:0], ring[:])
			writeGeometry(w, s.buf, "box")
		}))
	case oidPath:
		return pathPlan()
	case oidPolygon:
		return shapePlan("((0,0),(1,0),(0,1))", readNumbers(2, math.MaxInt, func(s *scratch, _ []byte, w schema.Writer) {
			n := s.numbers
			if last := len(n) - 2; last > 0 && (n[0] != n[last] || n[1] != n[last+1]) {
				s.numbers = append(n, n[0], n[1])
			}
			s.buf = appendPolygon(s.buf[:0], s.numbers)
			writeGeometry(w, s.buf, "polygon")
		}))
	}
	return nil
}

func shapePlan(fallback string, write writeFunc) *typePlan {
	tp := &typePlan{schema: geometrySchema, write: write}
	tp.fallback = defaultOf(tp, fallback)
	return tp
}

// pathPlan: whether a path is closed has no place in WKB and is kept beside it.
func pathPlan() *typePlan {
	tp := &typePlan{schema: geometrySchema}
	tp.write = readNumbers(2, math.MaxInt, func(s *scratch, text []byte, w schema.Writer) {
		s.buf = appendLineString(s.buf[:0], s.numbers)
		w.BeginStruct()
		w.Bytes(s.buf)
		w.Null()
		w.BeginMap(2)
		w.String("type")
		w.String("path")
		w.String("closed")
		if text[0] == '[' {
			w.String("false")
		} else {
			w.String("true")
		}
		w.EndMap()
		w.EndStruct()
	})
	// The fallback says nothing of being closed.
	plain := &typePlan{schema: geometrySchema, write: readNumbers(4, 4, func(s *scratch, _ []byte, w schema.Writer) {
		s.buf = appendLineString(s.buf[:0], s.numbers)
		writeGeometry(w, s.buf, "path")
	})}
	tp.fallback = defaultOf(plain, "[(0,0),(1,0)]")
	return tp
}

// readNumbers reads all numbers of a geometric text, between low and high of them, into s.numbers. The brackets and commas between
// them are given by the type.
func readNumbers(low, high int, write func(s *scratch, text []byte, w schema.Writer)) writeFunc {
	return func(s *scratch, text []byte, w schema.Writer) error {
		s.numbers = s.numbers[:0]
		for i := 0; i < len(text); {
			switch text[i] {
			case '(', ')', '[', ']', '{', '}', '<', '>', ',':
				i++
				continue
			}
			end := i
			for end < len(text) && text[end] != ',' && text[end] != ')' && text[end] != '}' && text[end] != '>' && text[end] != ']' {
				end++
			}
			f, ok := parseFloat(text[i:end], 64)
			if !ok {
				return errMalformed
			}
			s.numbers = append(s.numbers, f)
			i = end
		}
		if n := len(s.numbers); n < low || n > high || high > low && n%2 != 0 {
			return errMalformed
		}
		write(s, text, w)
		return nil
	}
}

func writePoint(s *scratch, _ []byte, w schema.Writer) {
	w.BeginStruct()
	w.Float64(s.numbers[0])
	w.Float64(s.numbers[1])
	s.buf = appendCoordinates(appendWKB(s.buf[:0], wkbPoint), s.numbers[:2])
	w.Bytes(s.buf)
	w.Null()
	w.EndStruct()
}

func writeLine(s *scratch, _ []byte, w schema.Writer) {
	w.BeginStruct()
	for _, f := range s.numbers {
		w.Float64(f)
	}
	w.EndStruct()
}

func writeCircle(s *scratch, text []byte, w schema.Writer) {
	w.BeginStruct()
	writePoint(s, text, w)
	w.Float64(s.numbers[2])
	w.EndStruct()
}

// writeGeometry writes a shape whose type stands in its extensions.
func writeGeometry(w schema.Writer, wkb []byte, shape string) {
	w.BeginStruct()
	w.Bytes(wkb)
	w.Null()
	w.BeginMap(1)
	w.String("type")
	w.String(shape)
	w.EndMap()
	w.EndStruct()
}

func appendWKB(dst []byte, kind uint32) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, 1), kind)
}

func appendCoordinates(dst []byte, numbers []float64) []byte {
	for _, f := range numbers {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
	}
	return dst
}

func appendLineString(dst []byte, numbers []float64) []byte {
	dst = binary.LittleEndian.AppendUint32(appendWKB(dst, wkbLineString), uint32(len(numbers)/2))
	return appendCoordinates(dst, numbers)
}

// appendPolygon appends a polygon of one ring.
func appendPolygon(dst []byte, ring []float64) []byte {
	dst = binary.LittleEndian.AppendUint32(appendWKB(dst, wkbPolygon), 1)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(ring)/2))
	return appendCoordinates(dst, ring)
}
